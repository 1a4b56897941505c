#pragma once

#include <vector>

#include "scanmf/linalg/matrix.hpp"

namespace scanmf {

/// Local. Rows to columns, each column to one row at most, such that the sum of their gains is the largest: the column
/// of each row. gains: rows × columns, rows ≤ columns. O(rows²·columns), by shortest augmenting paths (Jonker &
/// Volgenant, Computing 38, 1987; for rectangles Crouse, IEEE Trans. Aerosp. Electron. Syst. 52(4), 2016).
std::vector<Index> best_assignment(MatrixView<const double> gains);

}  // namespace scanmf
