# The installed product: the program, the library's rooms as expo::<room>, and their public headers.
include(CMakePackageConfigHelpers)
install(TARGETS expo RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
if(TARGET expo-engine)
  install(TARGETS expo-engine RUNTIME DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/expo)
endif()
if(TARGET expo-nccl)
  install(TARGETS expo-nccl LIBRARY DESTINATION ${CMAKE_INSTALL_LIBEXECDIR}/expo)
endif()
install(TARGETS expo_core expo_checkpoint expo_extrapolation expo_text expo_engine EXPORT expo-targets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES ${EXPO_RUST_DIR}/release/libexpo_text_bridge.a DESTINATION ${CMAKE_INSTALL_LIBDIR})
foreach(room core checkpoint extrapolation text engine)
  install(DIRECTORY expo/${room} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/expo
          FILES_MATCHING PATTERN "*.h")
endforeach()
install(EXPORT expo-targets NAMESPACE expo:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/expo)
configure_package_config_file(cmake/expo-config.cmake.in ${PROJECT_BINARY_DIR}/expo-config.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/expo)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/expo-config-version.cmake
  COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/expo-config.cmake ${PROJECT_BINARY_DIR}/expo-config-version.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/expo)
