# Builds rust/ as one static library, by cargo and with the versions of rust/Cargo.lock. All presets share it.
find_program(EXPO_CARGO cargo REQUIRED)
set(EXPO_RUST_DIR "${PROJECT_SOURCE_DIR}/build/rust" CACHE PATH "Where cargo builds")
set(bridge_library ${EXPO_RUST_DIR}/release/libexpo_text_bridge.a)
file(GLOB_RECURSE bridge_sources CONFIGURE_DEPENDS
  ${PROJECT_SOURCE_DIR}/rust/src/*.rs ${PROJECT_SOURCE_DIR}/rust/jinja/src/*.rs ${PROJECT_SOURCE_DIR}/rust/jinja/Cargo.toml)
add_custom_command(OUTPUT ${bridge_library}
  COMMAND ${EXPO_CARGO} build --quiet --release --locked --target-dir ${EXPO_RUST_DIR}
          --manifest-path ${PROJECT_SOURCE_DIR}/rust/Cargo.toml
  # cargo does not touch a library that is up to date, so ninja would run this command every time.
  COMMAND ${CMAKE_COMMAND} -E touch ${bridge_library}
  DEPENDS ${bridge_sources} ${PROJECT_SOURCE_DIR}/rust/Cargo.toml ${PROJECT_SOURCE_DIR}/rust/Cargo.lock
  COMMENT "Building the Rust library (cargo)" USES_TERMINAL)
add_custom_target(expo_text_bridge_build DEPENDS ${bridge_library})
add_library(expo_text_bridge STATIC IMPORTED GLOBAL)
set_target_properties(expo_text_bridge PROPERTIES IMPORTED_LOCATION ${bridge_library}
  INTERFACE_LINK_LIBRARIES "${CMAKE_DL_LIBS};m;Threads::Threads")
add_dependencies(expo_text_bridge expo_text_bridge_build)
