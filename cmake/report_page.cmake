# Builds page/ as one HTML file, by node and with the versions of page/package-lock.json, and has it become part of a
# library.
find_program(EXPO_NODE node)
set(EXPO_PAGE ${PROJECT_BINARY_DIR}/page/report.html)
if(NOT EXPO_NODE OR NOT EXISTS ${PROJECT_SOURCE_DIR}/page/node_modules/esbuild)
  message(FATAL_ERROR "The page of expo report is made by node with the packages in page/node_modules, which are not "
          "there: run scripts/bootstrap build")
endif()
file(GLOB_RECURSE page_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/page/src/*)
add_custom_command(OUTPUT ${EXPO_PAGE}
  COMMAND ${EXPO_NODE} ${PROJECT_SOURCE_DIR}/page/build.mjs ${EXPO_PAGE}
  DEPENDS ${page_sources} ${PROJECT_SOURCE_DIR}/page/build.mjs ${PROJECT_SOURCE_DIR}/page/template.html
          ${PROJECT_SOURCE_DIR}/page/package-lock.json
  COMMENT "Building the page of expo report (node)" VERBATIM)

# expo_embed_page(target): expo/report/page.cpp takes the page's bytes in when it is compiled.
function(expo_embed_page target)
  target_sources(${target} PRIVATE ${EXPO_PAGE})
  set_source_files_properties(${PROJECT_SOURCE_DIR}/expo/report/page.cpp PROPERTIES
    COMPILE_DEFINITIONS EXPO_PAGE_FILE="${EXPO_PAGE}" OBJECT_DEPENDS ${EXPO_PAGE})
endfunction()
