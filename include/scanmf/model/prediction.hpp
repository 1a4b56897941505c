#pragma once

#include <string>
#include <vector>

#include "scanmf/model/model_file.hpp"

namespace scanmf {

/// Where pairs of a row and a column lie in an HDF5 file: a group (empty path: the root) with datasets rows and columns
/// of one length, or a dataset of two columns; whole numbers, counted from 0.
struct PairsName {
  std::string file;
  std::string path;
};

/// Collective. The elements of W·H of a model at the pairs: datasets rows, columns and values of the new file `target`.
/// Returns how many. Errors: no pairs there, pairs outside of W·H.
Index predict_pairs(const Communicator& comm, const std::string& model, const ModelHeader& header,
                    const PairsName& pairs, const std::string& target);

/// Collective. The same of pairs in memory: row, column, row, column, …; the same on every rank.
Index predict_pairs(const Communicator& comm, const std::string& model, const ModelHeader& header,
                    const std::vector<Index>& pairs, const std::string& target);

}  // namespace scanmf
