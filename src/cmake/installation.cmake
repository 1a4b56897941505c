# `cmake --install` puts everything in place. Components: program, development (library, headers, what
# find_package(scanmf) and pkg-config need), python, modulefile; packages are made of the first three (packages.cmake).
include(CMakePackageConfigHelpers)
set(data ${CMAKE_INSTALL_DATADIR}/scanmf)
set(cmake_folder ${CMAKE_INSTALL_LIBDIR}/cmake/scanmf)

install(TARGETS scanmf_program COMPONENT program)
install(DIRECTORY ${SCANMF_MANUAL}/man1 DESTINATION ${CMAKE_INSTALL_MANDIR} COMPONENT program)
install(FILES ${SCANMF_MANUAL}/completions/scanmf DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions
        COMPONENT program)
# The pages lie as they do here, so that their links lead to one another.
install(FILES LICENSE README.md CHANGELOG.md CITATION.cff DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT program)
install(FILES src/README.md DESTINATION ${CMAKE_INSTALL_DOCDIR}/src COMPONENT program)
install(DIRECTORY src/docs DESTINATION ${CMAKE_INSTALL_DOCDIR}/src COMPONENT program)
install(DIRECTORY scripts/images DESTINATION ${CMAKE_INSTALL_DOCDIR}/scripts COMPONENT program)
install(DIRECTORY configs scripts/slurm DESTINATION ${data} COMPONENT program)
install(PROGRAMS scripts/plot_model.py scripts/plot_ensemble.py scripts/known_groups.py scripts/report.py
        DESTINATION ${data}/scripts COMPONENT program)
# Imported by the others.
install(FILES scripts/arguments.py scripts/groups.py scripts/sealed.py DESTINATION ${data}/scripts COMPONENT program)

# An environment module that finds the installation from where it lies:
# module use PREFIX/share/modulefiles && module load scanmf
file(RELATIVE_PATH up /p/${CMAKE_INSTALL_DATADIR}/modulefiles/scanmf /p)
foreach(what BINDIR LIBDIR MANDIR INCLUDEDIR)
  set(module_${what} ${CMAKE_INSTALL_${what}})
endforeach()
list(JOIN SCANMF_MPI_NAMES " " mpi_name)
set(python_line "")
if(SCANMF_HAS_PYTHON)
  set(python_line "prepend-path PYTHONPATH $prefix/${SCANMF_PYTHON_FOLDER}")
endif()
configure_file(${CMAKE_CURRENT_LIST_DIR}/modulefile.in ${PROJECT_BINARY_DIR}/modulefile @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/modulefile DESTINATION ${CMAKE_INSTALL_DATADIR}/modulefiles/scanmf
        RENAME ${PROJECT_VERSION} COMPONENT modulefile)

install(TARGETS scanmf scanmf_scalapack EXPORT scanmf-targets COMPONENT development)
install(DIRECTORY include/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
install(EXPORT scanmf-targets NAMESPACE scanmf:: DESTINATION ${cmake_folder} COMPONENT development)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/scanmf-config.cmake.in
                              ${PROJECT_BINARY_DIR}/scanmf-config.cmake INSTALL_DESTINATION ${cmake_folder})
write_basic_package_version_file(${PROJECT_BINARY_DIR}/scanmf-config-version.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${CMAKE_CURRENT_LIST_DIR}/dependencies.cmake ${PROJECT_BINARY_DIR}/scanmf-config.cmake
        ${PROJECT_BINARY_DIR}/scanmf-config-version.cmake DESTINATION ${cmake_folder} COMPONENT development)

# scanmf.pc: g++ parts.cpp $(pkg-config --cflags --libs scanmf). The libraries are those that were found, by path.
set(libraries "")
set(pc_requires "")
set(all_libraries ${MPI_C_LIBRARIES})
if(NOT BUILD_SHARED_LIBS)  # programs link all that a static library uses
  set(pc_requires "libhwy libdeflate fmt")
  list(PREPEND all_libraries ${SCALAPACK_LIBRARY} ${LAPACK_LIBRARIES} ${BLAS_LIBRARIES} ${HDF5_C_LIBRARIES}
       ${LZF_LIBRARY})
endif()
list(REMOVE_DUPLICATES all_libraries)
foreach(library ${all_libraries})
  if(library MATCHES "^/|^-")
    string(APPEND libraries " ${library}")
  else()
    string(APPEND libraries " -l${library}")
  endif()
endforeach()
set(mpi_flags "")
foreach(folder ${MPI_C_INCLUDE_DIRS})
  string(APPEND mpi_flags " -I${folder}")
endforeach()
file(RELATIVE_PATH pc_prefix /p/${CMAKE_INSTALL_LIBDIR}/pkgconfig /p)
configure_file(${CMAKE_CURRENT_LIST_DIR}/scanmf.pc.in ${PROJECT_BINARY_DIR}/scanmf.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/scanmf.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)
