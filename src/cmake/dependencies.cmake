# Everything scanmf is built on; all of it from the distribution, nothing is downloaded.
find_package(Threads REQUIRED)
find_package(MPI 3.1 REQUIRED COMPONENTS C)
find_package(OpenMP REQUIRED COMPONENTS CXX)

set(HDF5_PREFER_PARALLEL TRUE)  # the serial one is picked otherwise where both are installed
find_package(HDF5 1.10 REQUIRED COMPONENTS C)
if(NOT HDF5_IS_PARALLEL)
  message(FATAL_ERROR "scanmf needs the parallel HDF5 (Debian: libhdf5-openmpi-dev)")
endif()

set(BLA_VENDOR OpenBLAS)
find_package(BLAS REQUIRED)
find_package(LAPACK REQUIRED)
# The distribution's scalapack-config.cmake names a file that does not exist, so the library is looked for by name.
find_library(SCALAPACK_LIBRARY NAMES scalapack-openmpi scalapack REQUIRED)
add_library(scanmf_scalapack INTERFACE)
target_link_libraries(scanmf_scalapack INTERFACE ${SCALAPACK_LIBRARY} LAPACK::LAPACK BLAS::BLAS MPI::MPI_C)

find_package(Boost 1.74 REQUIRED COMPONENTS program_options)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(ZLIB REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(hwy REQUIRED IMPORTED_TARGET libhwy)
add_library(hwy::hwy ALIAS PkgConfig::hwy)
pkg_check_modules(libdeflate REQUIRED IMPORTED_TARGET libdeflate)
add_library(libdeflate::libdeflate ALIAS PkgConfig::libdeflate)
pkg_check_modules(libzip REQUIRED IMPORTED_TARGET libzip)
add_library(libzip::zip ALIAS PkgConfig::libzip)
