# Everything the library is built on, and links to; all of it from the distribution, nothing is downloaded. For programs
# that use it too (scanmf-config.cmake): of a shared library they need the first three only (SCANMF_SHARED).
find_package(Threads REQUIRED)
find_package(MPI 3.1 REQUIRED COMPONENTS C)
find_package(OpenMP REQUIRED COMPONENTS CXX)
if(SCANMF_SHARED)
  return()
endif()

# The names under which a shared library asks for others (key NEEDED) or is asked for (SONAME) that are an MPI's; empty
# for what is no ELF file.
function(scanmf_mpi_names key library result)
  set(dump "")
  if(CMAKE_OBJDUMP)
    execute_process(COMMAND ${CMAKE_OBJDUMP} -p ${library} OUTPUT_VARIABLE dump ERROR_QUIET)
  endif()
  string(REGEX MATCHALL "${key} +libmpi[a-z]*\\.so[.0-9]*" names "${dump}")
  list(TRANSFORM names REPLACE "^${key} +" "")
  set(${result} ${names} PARENT_SCOPE)
endfunction()

set(SCANMF_MPI_NAMES "")
foreach(library ${MPI_C_LIBRARIES})
  scanmf_mpi_names(SONAME ${library} names)
  list(APPEND SCANMF_MPI_NAMES ${names})
endforeach()

# Two MPIs in one program crash or wait for ever: a library built with another one than the program's is refused.
function(scanmf_check_mpi what library advice)
  scanmf_mpi_names(NEEDED ${library} names)
  foreach(name ${names})
    if(SCANMF_MPI_NAMES AND NOT name IN_LIST SCANMF_MPI_NAMES)
      message(FATAL_ERROR "${what} (${library}) was built with another MPI (${name}) than the one found \
(${SCANMF_MPI_NAMES}). ${advice}")
    endif()
  endforeach()
endfunction()

# Any HDF5 will do, serial or parallel: files are read and written by each rank for itself. HDF5_PREFER_PARALLEL=ON
# takes a parallel one where both are installed.
find_package(HDF5 1.10 REQUIRED COMPONENTS C)
foreach(library ${HDF5_C_LIBRARIES})
  scanmf_check_mpi("HDF5" ${library} "Install a serial HDF5 (Debian: libhdf5-dev) or this MPI's (libhdf5-openmpi-dev, \
libhdf5-mpich-dev), or name its h5cc: -DHDF5_C_COMPILER_EXECUTABLE=/path/to/h5cc")
endforeach()

set(BLA_VENDOR OpenBLAS)
find_package(BLAS REQUIRED)
find_package(LAPACK REQUIRED)
# The distribution's scalapack-config.cmake names a file that does not exist, so the library is looked for by name.
if(SCANMF_MPI_NAMES MATCHES "mpich")
  find_library(SCALAPACK_LIBRARY NAMES scalapack-mpich scalapack REQUIRED)
else()
  find_library(SCALAPACK_LIBRARY NAMES scalapack-openmpi scalapack REQUIRED)
endif()
scanmf_check_mpi("ScaLAPACK" ${SCALAPACK_LIBRARY} "Install the one for this MPI (Debian: libscalapack-openmpi-dev, \
libscalapack-mpich-dev), or name it: -DSCALAPACK_LIBRARY=/path/to/library")
add_library(scanmf_scalapack INTERFACE)
target_link_libraries(scanmf_scalapack INTERFACE ${SCALAPACK_LIBRARY} LAPACK::LAPACK BLAS::BLAS MPI::MPI_C)

find_package(fmt REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(hwy REQUIRED IMPORTED_TARGET libhwy)
add_library(hwy::hwy ALIAS PkgConfig::hwy)
pkg_check_modules(libdeflate REQUIRED IMPORTED_TARGET libdeflate)
add_library(libdeflate::libdeflate ALIAS PkgConfig::libdeflate)

# lzf, the fast filter of h5py, comes without a package file on some systems.
find_path(LZF_INCLUDE_DIR liblzf/lzf.h REQUIRED)
find_library(LZF_LIBRARY lzf REQUIRED)
if(NOT TARGET LZF::LZF)
  add_library(LZF::LZF UNKNOWN IMPORTED)
  set_target_properties(LZF::LZF PROPERTIES IMPORTED_LOCATION ${LZF_LIBRARY}
                                            INTERFACE_INCLUDE_DIRECTORIES ${LZF_INCLUDE_DIR})
endif()
