# Packages for Debian by CPack: scanmf, libscanmf-dev and, where it is built, python3-scanmf.
# scripts/packaging/debian.sh configures for them and calls cpack; a build for another prefix than /usr puts libraries
# where Debian does not look.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME scanmf)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(maintainer "The scanmf authors <scanmf@example.org>")  # who packages says who they are, as to Debian's own tools
if(DEFINED ENV{DEBFULLNAME} AND DEFINED ENV{DEBEMAIL})
  set(maintainer "$ENV{DEBFULLNAME} <$ENV{DEBEMAIL}>")
endif()
set(CPACK_PACKAGE_CONTACT "${maintainer}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE
                                                WORLD_READ WORLD_EXECUTE)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL program development)
if(SCANMF_HAS_PYTHON)
  list(APPEND CPACK_COMPONENTS_ALL python)
endif()
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
set(CPACK_DEBIAN_PACKAGE_SECTION science)

set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_CURRENT_LIST_DIR}/compress_manual.cmake)

# cpack indents these lines.
set(description "Factors a matrix of non-negative numbers, dense or sparse, in memory or
streamed from its file, on any number of MPI ranks: scikit-learn's NMF and
MiniBatchNMF with the same parameters and the same numbers.")
set(mpi_starter openmpi-bin)
if(SCANMF_MPI_WORD STREQUAL "mpich")
  set(mpi_starter mpich)
endif()
set(CPACK_DEBIAN_PROGRAM_PACKAGE_NAME scanmf)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PROGRAM_PACKAGE_DEPENDS python3)  # for its scripts
set(CPACK_DEBIAN_PROGRAM_DESCRIPTION "${description}")
set(CPACK_DEBIAN_PROGRAM_PACKAGE_RECOMMENDS "${mpi_starter}")
set(CPACK_DEBIAN_PROGRAM_PACKAGE_SUGGESTS "python3-scanmf")

# What find_package(scanmf) and pkg-config look for.
set(mpi_packages "lib${SCANMF_MPI_WORD}-dev, libscalapack-${SCANMF_MPI_WORD}-dev, \
libhdf5-${SCANMF_MPI_WORD}-dev | libhdf5-dev")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libscanmf-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS "${mpi_packages}, libopenblas-dev, \
libfmt-dev, libhwy-dev, libdeflate-dev, liblzf-dev, pkg-config")
set(CPACK_DEBIAN_DEVELOPMENT_DESCRIPTION "${description}
.
This package has the library, its headers, and the files of CMake and
pkg-config.")

set(CPACK_DEBIAN_PYTHON_PACKAGE_NAME python3-scanmf)
set(CPACK_DEBIAN_PYTHON_PACKAGE_SECTION python)
set(CPACK_DEBIAN_PYTHON_PACKAGE_SHLIBDEPS ON)
set(python_next 0)
if(SCANMF_HAS_PYTHON)
  math(EXPR python_next "${Python3_VERSION_MINOR} + 1")
endif()
set(CPACK_DEBIAN_PYTHON_PACKAGE_DEPENDS "python3 (>= 3.${Python3_VERSION_MINOR}~), python3 (<< 3.${python_next}), \
python3-numpy, python3-scipy, python3-sklearn")
set(CPACK_DEBIAN_PYTHON_PACKAGE_RECOMMENDS "python3-matplotlib, python3-pandas, python3-anndata, python3-mpi4py")
set(CPACK_DEBIAN_PYTHON_DESCRIPTION "${description}
.
This package has the classes for Python, which compute in its own process.")

# What Debian's policy wants beside: in packages alone.
set(debian ${PROJECT_BINARY_DIR}/debian)
file(READ ${PROJECT_SOURCE_DIR}/LICENSE license)
string(REGEX REPLACE "\n\n" "\n.\n" license "${license}")
string(REGEX REPLACE "\n" "\n " license "${license}")
string(STRIP "${license}" license)
file(WRITE ${debian}/copyright "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: scanmf

Files: *
Copyright: The scanmf authors
License: BSD-3-Clause
 ${license}
")
string(TIMESTAMP date "%a, %d %b %Y %H:%M:%S +0000" UTC)
file(WRITE ${debian}/changelog.Debian "scanmf (${PROJECT_VERSION}-1) unstable; urgency=low

  * Built by cpack; what is new is in changelog.gz.

 -- ${CPACK_PACKAGE_CONTACT}  ${date}
")
find_program(GZIP gzip)
if(GZIP)
  execute_process(COMMAND ${GZIP} -9nf ${debian}/changelog.Debian)
  file(COPY_FILE ${PROJECT_SOURCE_DIR}/CHANGELOG.md ${debian}/changelog)
  execute_process(COMMAND ${GZIP} -9nf ${debian}/changelog)
  foreach(package "program scanmf" "development libscanmf-dev" "python python3-scanmf")
    separate_arguments(package)
    list(GET package 0 component)
    list(GET package 1 name)
    install(FILES ${debian}/copyright ${debian}/changelog.Debian.gz ${debian}/changelog.gz
            DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${name} COMPONENT ${component} EXCLUDE_FROM_ALL)
  endforeach()
endif()
include(CPack)
