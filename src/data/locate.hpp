#pragma once

#include <string>
#include <vector>

#include "data/input_name.hpp"
#include "data/stored_matrix.hpp"
#include "io/hdf5.hpp"

namespace scanmf::data {

/// Opens an HDF5 file for reading. Throws Error that says what another file is, and what to type.
hdf5::File open_input(const std::string& file);

/// The matrix: at `path` if given, else the first existing one of `preferred` and /X, else the only one of the file.
/// `chosen`: the user did not name it. Throws Error that says what there is. What it throws for a path that is given is
/// the caller's to say, as far as the dataset shows it.
struct Located {
  StoredMatrix matrix;
  bool chosen = false;
};
Located locate_matrix(const hdf5::File& file, const std::string& path, const std::vector<std::string>& preferred);

}  // namespace scanmf::data
