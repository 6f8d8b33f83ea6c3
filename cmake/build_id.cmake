# `expo` runs `expo-engine` and both must come from the same sources, so each holds a digest of them.

# Included, this file defines expo_add_build_id(TARGET), which compiles the digest into a library; as a script, it writes
# the file OUTPUT with the digest of the sources below ROOT.
function(expo_list_sources root result)
  file(GLOB_RECURSE sources ${ARGN} RELATIVE ${root} ${root}/expo/*.cpp ${root}/expo/*.h ${root}/rust/*.rs
       ${root}/rust/Cargo.lock)
  list(SORT sources)
  set(${result} ${sources} PARENT_SCOPE)
endfunction()

function(expo_add_build_id target)
  expo_list_sources(${PROJECT_SOURCE_DIR} sources CONFIGURE_DEPENDS)
  list(TRANSFORM sources PREPEND ${PROJECT_SOURCE_DIR}/)
  set(output ${PROJECT_BINARY_DIR}/build_id.cpp)
  set(script ${PROJECT_SOURCE_DIR}/cmake/build_id.cmake)
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DROOT=${PROJECT_SOURCE_DIR} -DOUTPUT=${output} -P ${script}
    DEPENDS ${sources} ${script} COMMENT "Computing the digest of the sources" VERBATIM)
  target_sources(${target} PRIVATE ${output})
endfunction()

if(CMAKE_SCRIPT_MODE_FILE)
  expo_list_sources(${ROOT} sources)
  set(digests "")
  foreach(source IN LISTS sources)
    file(SHA256 ${ROOT}/${source} digest)
    string(APPEND digests "${source} ${digest}\n")
  endforeach()
  string(SHA256 id "${digests}")
  string(SUBSTRING ${id} 0 16 id)
  file(WRITE ${OUTPUT} "#include \"expo/cli/engine_program.h\"\n\nnamespace expo {\n\n"
       "const char* build_id() {\n  return \"${id}\";\n}\n\n}  // namespace expo\n")
endif()
