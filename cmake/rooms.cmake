# One static library per room; arrows point downwards only (tests/check_includes.sh).
function(room name)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${name}/*.c)
  list(FILTER sources EXCLUDE REGEX "/main\\.c$")
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC nightjar_options PRIVATE ${ARGN})
endfunction()

room(base PkgConfig::libmd PkgConfig::libpcre2_8 Threads::Threads ${UTF8PROC_LIBRARY})
target_include_directories(base PRIVATE ${UTF8PROC_INCLUDE} ${RANDOM123_INCLUDE})
target_link_libraries(base PUBLIC PkgConfig::jansson)

room(kernels Threads::Threads m ${CMAKE_DL_LIBS})
target_link_libraries(kernels PUBLIC base)
# (Sanitizers see nothing of its threads, and that of leaks dies of them.)
if(onednn_major AND NOT NIGHTJAR_SANITIZE AND NOT NIGHTJAR_FUZZ)
  set_source_files_properties(kernels/yardstick.c PROPERTIES
    COMPILE_DEFINITIONS NIGHTJAR_ONEDNN INCLUDE_DIRECTORIES ${ONEDNN_INCLUDE})
endif()
# Each path of the processor is compiled for its own instructions and entered only where the machine
# has them. Their loops rely on constant bounds being unrolled, in every build.
# (gcc takes minutes over unrolled loops whose every load is checked.)
if(NIGHTJAR_SANITIZE MATCHES "address" OR NIGHTJAR_FUZZ)
  set(lanes_options "-O1;-fno-sanitize-address-use-after-scope")
else()
  set(lanes_options -O3)
endif()
function(path name)
  set_source_files_properties(kernels/cpu_${name}.c PROPERTIES
    COMPILE_OPTIONS "${lanes_options};${ARGN}")
endfunction()
path(portable)
path(tiles)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  path(avx2 -mavx2 -mfma)
  path(avx512 -mavx512f -mavx2 -mfma)
  path(bf16 -mavx512f -mavx512bf16 -mavx2 -mfma)
  path(amx -mavx512f -mavx2 -mfma -mamx-tile -mamx-bf16)
endif()

room(engine PkgConfig::libpcre2_8 ${UTF8PROC_LIBRARY} m)
target_include_directories(engine PRIVATE ${UTF8PROC_INCLUDE})
target_link_libraries(engine PUBLIC kernels base)

room(solvers)
target_link_libraries(solvers PUBLIC base)

room(store PkgConfig::sqlite3 PkgConfig::libarchive PkgConfig::zlib Threads::Threads)
target_link_libraries(store PUBLIC base)
embed(store store/schema.sql store_schema_sql)
embed(store store/views.sql store_views_sql)
embed(store store/version_3.sql store_version_3_sql)
embed(store store/version_4.sql store_version_4_sql)

room(reports m)
target_link_libraries(reports PUBLIC store base)

room(pipeline PkgConfig::yaml_0_1 Threads::Threads m)
target_link_libraries(pipeline PUBLIC solvers engine store reports base)
target_compile_definitions(pipeline PUBLIC NIGHTJAR_VERSION="${PROJECT_VERSION}")

add_executable(nightjar pipeline/main.c)
target_link_libraries(nightjar PRIVATE pipeline)
install(TARGETS nightjar)
