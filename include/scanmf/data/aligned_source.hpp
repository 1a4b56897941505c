#pragma once

#include <memory>
#include <vector>

#include "scanmf/data/matrix_file.hpp"

namespace scanmf {

/// Collective. A matrix whose column j is column column_of[j] of x, or zero where that is −1; other columns of x are
/// left out. Each visit copies the rows of x, a few tiles at a time: they do not stay in memory. Reads x once. options:
/// those that x was loaded with.
template <Scalar T>
std::unique_ptr<DataSource<T>> aligned_source(std::unique_ptr<DataSource<T>> x, const std::vector<Index>& column_of,
                                              const LoadOptions& options);

}  // namespace scanmf
