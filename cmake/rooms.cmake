# One static library per room; arrows point downwards only (tests/check_includes.sh).
function(room name)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/${name}/*.c)
  list(FILTER sources EXCLUDE REGEX "/main\\.c$")
  add_library(${name} STATIC ${sources})
  target_link_libraries(${name} PUBLIC nightjar_options PRIVATE ${ARGN})
endfunction()

room(base PkgConfig::libmd Threads::Threads ${UTF8PROC_LIBRARY})
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
# (Lanes that are arrays, and a check of each one's scope, would take gcc minutes.)
if(NIGHTJAR_SANITIZE MATCHES "address" OR NIGHTJAR_FUZZ)
  set(lanes_options "-O1;-fno-sanitize-address-use-after-scope")
else()
  set(lanes_options -O3)
endif()
set_source_files_properties(kernels/cpu_portable.c kernels/cpu_tiles.c PROPERTIES
  COMPILE_OPTIONS "${lanes_options}")
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set_source_files_properties(kernels/cpu_avx2.c PROPERTIES COMPILE_OPTIONS "-O3;-mavx2;-mfma")
  set_source_files_properties(kernels/cpu_avx512.c PROPERTIES
    COMPILE_OPTIONS "-O3;-mavx512f;-mavx2;-mfma")
  set_source_files_properties(kernels/cpu_bf16.c PROPERTIES
    COMPILE_OPTIONS "-O3;-mavx512f;-mavx512bf16;-mavx2;-mfma")
  set_source_files_properties(kernels/cpu_amx.c PROPERTIES
    COMPILE_OPTIONS "-O3;-mavx512f;-mavx2;-mfma;-mamx-tile;-mamx-bf16")
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

room(reports m)
target_link_libraries(reports PUBLIC store base)

room(pipeline PkgConfig::yaml_0_1 Threads::Threads m)
target_link_libraries(pipeline PUBLIC solvers engine store reports base)
target_compile_definitions(pipeline PUBLIC NIGHTJAR_VERSION="${PROJECT_VERSION}")

add_executable(nightjar pipeline/main.c)
target_link_libraries(nightjar PRIVATE pipeline)
install(TARGETS nightjar)
