# Flags that every file of ours is compiled with, as one interface target.
add_library(nightjar_options INTERFACE)
target_include_directories(nightjar_options INTERFACE ${CMAKE_SOURCE_DIR})
# The one place for _GNU_SOURCE: flock, statfs and pthread naming need it.
target_compile_definitions(nightjar_options INTERFACE _GNU_SOURCE)
target_compile_options(nightjar_options INTERFACE
  -ffp-contract=off -fno-math-errno
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wstrict-prototypes
  -Wmissing-prototypes -Wvla -Wundef -Wcast-qual -Wwrite-strings -Wdouble-promotion -Wformat=2)
if(NIGHTJAR_WERROR)
  target_compile_options(nightjar_options INTERFACE -Werror)
endif()
if(NIGHTJAR_SANITIZE)
  target_compile_options(nightjar_options INTERFACE
    -fsanitize=${NIGHTJAR_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(nightjar_options INTERFACE -fsanitize=${NIGHTJAR_SANITIZE})
endif()
# The rooms count their branches for libFuzzer; the targets alone bring its main.
if(NIGHTJAR_FUZZ)
  if(NOT CMAKE_C_COMPILER_ID MATCHES Clang)
    message(FATAL_ERROR "NIGHTJAR_FUZZ needs clang: configure with the preset fuzz")
  endif()
  target_compile_options(nightjar_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
