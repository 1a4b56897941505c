# `cmake --install` puts the program, the library and what find_package(scanmf) needs in place.
include(CMakePackageConfigHelpers)
install(TARGETS scanmf scanmf_program scanmf_scalapack EXPORT scanmf-targets)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT scanmf-targets NAMESPACE scanmf:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/scanmf)
install(FILES ${CMAKE_CURRENT_LIST_DIR}/dependencies.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/scanmf)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/scanmf-config.cmake.in ${PROJECT_BINARY_DIR}/scanmf-config.cmake
                              INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/scanmf)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/scanmf-config-version.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${PROJECT_BINARY_DIR}/scanmf-config.cmake ${PROJECT_BINARY_DIR}/scanmf-config-version.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/scanmf)
