# Everything the library is built on, and links to; all of it from the distribution, nothing is downloaded. For programs
# that use it too (scanmf-config.cmake): of a shared library they need the first three only (SCANMF_SHARED).
find_package(Threads REQUIRED)
# mpicc and mpiexec are of one MPI: where several are installed, as in Debian, both names end alike.
if(MPI_C_COMPILER MATCHES "(^|/)mpicc(\\.[a-z0-9]+)$" AND NOT DEFINED MPI_EXECUTABLE_SUFFIX)
  set(MPI_EXECUTABLE_SUFFIX ${CMAKE_MATCH_2})
endif()
# Of one that is not there CMake would take another MPI in place, without a word.
if(MPI_C_COMPILER)
  find_program(SCANMF_MPICC NAMES ${MPI_C_COMPILER} NO_CACHE)
  if(NOT SCANMF_MPICC)
    message(FATAL_ERROR "There is no ${MPI_C_COMPILER} (MPI_C_COMPILER)")
  endif()
endif()
find_package(MPI 3.1 REQUIRED COMPONENTS C)
if(MPI_EXECUTABLE_SUFFIX AND NOT MPI_C_COMPILER)
  message(FATAL_ERROR "There is no mpicc${MPI_EXECUTABLE_SUFFIX} (MPI_EXECUTABLE_SUFFIX, or the preset, asks for it). \
Debian: scripts/install_packages.sh mpich, or libopenmpi-dev for .openmpi")
endif()
find_package(OpenMP REQUIRED COMPONENTS CXX)

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

# A program's MPI is the one that scanmf was built with.
if(SCANMF_BUILT_WITH AND SCANMF_MPI_NAMES AND NOT "${SCANMF_BUILT_WITH}" STREQUAL "${SCANMF_MPI_NAMES}")
  message(FATAL_ERROR "scanmf was built with another MPI (${SCANMF_BUILT_WITH}) than the one found \
(${SCANMF_MPI_NAMES}). Name its compiler: -DMPI_C_COMPILER=/path/to/mpicc (Debian: mpicc.openmpi, mpicc.mpich)")
endif()
if(SCANMF_SHARED)
  return()
endif()

# How Debian calls what belongs to this MPI.
set(SCANMF_MPI_WORD openmpi)
if(SCANMF_MPI_NAMES MATCHES "mpich")
  set(SCANMF_MPI_WORD mpich)
endif()

# Any HDF5 will do, serial or parallel: files are read and written by each rank for itself. HDF5_PREFER_PARALLEL=ON
# takes a parallel one where both are installed. Looked for as CMake does it, but for h5pcc: in Debian that is the one
# of the default MPI.
set(h5cc h5cc h5pcc.${SCANMF_MPI_WORD} h5pcc)
if(HDF5_PREFER_PARALLEL)
  set(h5cc h5pcc.${SCANMF_MPI_WORD} h5pcc h5cc)
endif()
find_program(HDF5_C_COMPILER_EXECUTABLE NAMES ${h5cc} NAMES_PER_DIR HINTS ${HDF5_ROOT} ENV HDF5_ROOT
             PATH_SUFFIXES bin Bin)
find_package(HDF5 1.10 REQUIRED COMPONENTS C)
foreach(library ${HDF5_C_LIBRARIES})
  scanmf_check_mpi("HDF5" ${library} "Install a serial HDF5 (Debian: libhdf5-dev) or this MPI's \
(libhdf5-${SCANMF_MPI_WORD}-dev), or name its h5cc: -DHDF5_C_COMPILER_EXECUTABLE=/path/to/h5cc")
endforeach()

set(BLA_VENDOR OpenBLAS)
find_package(BLAS REQUIRED)
find_package(LAPACK REQUIRED)
# The distribution's scalapack-config.cmake names a file that does not exist, so the library is looked for by name.
set(advice "Install the one for this MPI (Debian: libscalapack-${SCANMF_MPI_WORD}-dev), or name it: \
-DSCALAPACK_LIBRARY=/path/to/library")
find_library(SCALAPACK_LIBRARY NAMES scalapack-${SCANMF_MPI_WORD} scalapack)
if(NOT SCALAPACK_LIBRARY)
  message(FATAL_ERROR "There is no ScaLAPACK for the MPI found (${SCANMF_MPI_NAMES}). ${advice}")
endif()
scanmf_check_mpi("ScaLAPACK" ${SCALAPACK_LIBRARY} ${advice})
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
