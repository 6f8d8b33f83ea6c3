# Builds page/ as one HTML file, by node and with the versions of page/package-lock.json, and has it become part of a
# library.
find_program(EXPO_NODE node)
set(EXPO_PAGE ${PROJECT_BINARY_DIR}/page/report.html)

# scripts/bootstrap leaves a copy of the list that it has installed. A new list is looked at again.
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/page/package-lock.json)
execute_process(
  COMMAND ${CMAKE_COMMAND} -E compare_files ${PROJECT_SOURCE_DIR}/page/package-lock.json
          ${PROJECT_SOURCE_DIR}/page/node_modules/installed.json
  RESULT_VARIABLE page_packages_differ OUTPUT_QUIET ERROR_QUIET)
if(NOT EXPO_NODE OR page_packages_differ)
  message(FATAL_ERROR "The page of expo report is made by node with the packages of page/package-lock.json in "
          "page/node_modules, which are not there or not of these versions: run scripts/bootstrap build")
endif()
file(GLOB_RECURSE page_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/page/src/*)
add_custom_command(OUTPUT ${EXPO_PAGE}
  COMMAND ${EXPO_NODE} ${PROJECT_SOURCE_DIR}/page/build.mjs ${EXPO_PAGE}
  DEPENDS ${page_sources} ${PROJECT_SOURCE_DIR}/page/build.mjs ${PROJECT_SOURCE_DIR}/page/template.html
          ${PROJECT_SOURCE_DIR}/page/package-lock.json ${PROJECT_SOURCE_DIR}/page/package.json
          ${PROJECT_SOURCE_DIR}/page/tsconfig.json
  COMMENT "Building the page of expo report (node)" VERBATIM)

# expo_embed_page(target): expo/report/page.cpp takes the page's bytes in when it is compiled.
function(expo_embed_page target)
  target_sources(${target} PRIVATE ${EXPO_PAGE})
  set_source_files_properties(${PROJECT_SOURCE_DIR}/expo/report/page.cpp PROPERTIES
    COMPILE_DEFINITIONS EXPO_PAGE_FILE="${EXPO_PAGE}" OBJECT_DEPENDS ${EXPO_PAGE})
endfunction()
