#pragma once

#include <string>
#include <vector>

#include "data/input_name.hpp"
#include "io/hdf5.hpp"

namespace scanmf::data {

/// What kind of sparse matrix a group holds.
enum class SparseLayout {
  none,
  csr,
  csc,
  cells,  // 10x Genomics: columns are barcodes (samples), rows features
};
SparseLayout sparse_layout(const hdf5::File& file, const std::string& group);

/// The path of the matrix: `path` if given, else the first existing one of `preferred` and /X, else the only 2-D dataset or sparse group of the file.
/// Throws Error that lists what there is.
std::string locate_matrix(const hdf5::File& file, const std::string& path, const std::vector<std::string>& preferred);

/// Names of rows or columns, of `count`: those of table `kind` ("obs" or "var") in the nearest group around the matrix whose length fits. Empty when
/// there are none.
std::vector<std::string> find_names(const hdf5::File& file, const std::string& matrix, const std::string& kind, Index count);

}  // namespace scanmf::data
