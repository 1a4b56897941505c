#pragma once

#include <string>

namespace scanmf::hdf5 {

/// "HDF5 1.10.8": the library that runs, which need not be the one the program was built with.
std::string library_version();

}  // namespace scanmf::hdf5
