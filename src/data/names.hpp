#pragma once

#include <optional>
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

/// A table of an AnnData file, /obs or /var.
struct Table {
  Index length = 0;
  std::vector<std::string> names;  // of its rows; empty where they cannot be read, with a warning
};

/// nullopt for what is no such table.
std::optional<Table> read_table(const hdf5::File& file, const std::string& table);

/// The type of each column of a matrix as stored ("Gene Expression", "Antibody Capture"); empty where the file has
/// none.
std::vector<std::string> feature_types(const hdf5::File& file, const StoredMatrix& matrix, const Shape& shape);

}  // namespace scanmf::data
