#pragma once

#include <optional>
#include <string>
#include <vector>

#include "scanmf/core/types.hpp"

namespace scanmf::formats {

/// What lies beside a matrix of 10x Genomics: features.tsv (or genes.tsv) and barcodes.tsv, plain or compressed.
struct TenxNames {
  std::string features_file;
  std::string barcodes_file;
  std::vector<std::string> features;
  std::vector<std::string> types;  // one a feature, or empty
  std::vector<std::string> barcodes;
};

/// The matrix of a folder. Throws Error when it has none.
std::string matrix_of_folder(const std::string& folder);

/// nullopt for a file that is not called …matrix.mtx or has nothing beside it.
std::optional<TenxNames> names_beside(const std::string& matrix_file);

/// Number of each feature in X, -1 for those that are left out: the ones that are not of `type` (empty: all stay).
/// Warns of several types.
std::vector<Index> kept_features(const TenxNames& names, const std::string& type);

}  // namespace scanmf::formats
