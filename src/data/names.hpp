#pragma once

#include <string>
#include <vector>

#include "data/stored_matrix.hpp"

namespace scanmf::data {

/// Names of the rows and columns of a matrix as stored; empty where there are none.
struct Names {
  std::vector<std::string> rows;
  std::vector<std::string> columns;
};

/// Names are optional: those that cannot be read, or are not as many as rows or columns, lead to a warning and are left
/// out. Bytes that are not UTF-8 are taken for Latin-1. shape: as stored.
Names find_names(const hdf5::File& file, const StoredMatrix& matrix, const Shape& shape);

/// The type of each column of a matrix as stored ("Gene Expression", "Antibody Capture"); empty where the file has
/// none.
std::vector<std::string> feature_types(const hdf5::File& file, const StoredMatrix& matrix, const Shape& shape);

}  // namespace scanmf::data
