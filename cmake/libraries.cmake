# Debian's libraries. Which room may use which is checked by tests/check_includes.sh.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
foreach(name jansson libmd sqlite3 zlib libarchive yaml-0.1 libpcre2-8)
  string(MAKE_C_IDENTIFIER ${name} id)
  pkg_check_modules(${id} REQUIRED IMPORTED_TARGET ${name})
endforeach()
# These two ship no pkg-config file that all versions agree on.
find_path(RANDOM123_INCLUDE Random123/philox.h REQUIRED)
find_path(UTF8PROC_INCLUDE utf8proc.h REQUIRED)
find_library(UTF8PROC_LIBRARY utf8proc REQUIRED)
# The yardstick of bench: its header is enough, the library is looked for when it is asked for.
find_path(ONEDNN_INCLUDE oneapi/dnnl/dnnl.h)
if(EXISTS ${ONEDNN_INCLUDE}/oneapi/dnnl/dnnl_version.h)
  file(STRINGS ${ONEDNN_INCLUDE}/oneapi/dnnl/dnnl_version.h onednn_major
    REGEX "define DNNL_VERSION_MAJOR +2$")
endif()
