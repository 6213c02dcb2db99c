# embed(target file symbol): compiles a text file into the target as
#   const char symbol[]; (terminated by a zero)
function(embed target file symbol)
  set(source ${CMAKE_SOURCE_DIR}/${file})
  set(generated ${CMAKE_BINARY_DIR}/embed/${symbol}.c)
  add_custom_command(OUTPUT ${generated}
    COMMAND ${CMAKE_COMMAND} -DSOURCE=${source} -DSYMBOL=${symbol} -DOUT=${generated}
            -P ${CMAKE_SOURCE_DIR}/cmake/embed_file.cmake
    DEPENDS ${source} ${CMAKE_SOURCE_DIR}/cmake/embed_file.cmake VERBATIM)
  target_sources(${target} PRIVATE ${generated})
endfunction()
