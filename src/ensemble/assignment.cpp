#include "ensemble/assignment.hpp"

#include <limits>

#include "core/at.hpp"

namespace scanmf {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// Rows that have a column so far, and the dual variables that prove them best; costs are −gains.
class PartialAssignment {
 public:
  explicit PartialAssignment(MatrixView<const double> gains)
      : gains_(gains),
        of_row_(at(gains.rows), 0),
        of_column_(at(gains.columns), 0),
        row_(at(gains.columns), -1),
        column_(at(gains.rows), -1) {}

  /// A column for one more row; others may change theirs.
  void add(Index row) {
    shortest_.assign(row_.size(), infinity);
    previous_.assign(row_.size(), -1);
    is_done_.assign(row_.size(), 0);
    const Index free = nearest_free_column(row);
    const double length = shortest_[at(free)];
    of_row_[at(row)] += length;
    for (std::size_t j = 0; j < row_.size(); ++j) {
      if (is_done_[j] == 0 || row_[j] < 0) continue;
      of_row_[at(row_[j])] += length - shortest_[j];
      of_column_[j] -= length - shortest_[j];
    }
    for (Index j = free; j >= 0;) {
      row_[at(j)] = previous_[at(j)];
      std::swap(column_[at(row_[at(j)])], j);
    }
  }

  const std::vector<Index>& columns() const { return column_; }

 private:
  /// The end of the shortest path from the row over rows that change their columns (Dijkstra).
  Index nearest_free_column(Index row) {
    double reached = 0;
    for (;;) {
      Index nearest = -1;
      for (Index j = 0; j < gains_.columns; ++j) {
        if (is_done_[at(j)] != 0) continue;
        const double length = reached - gains_(row, j) - of_row_[at(row)] - of_column_[at(j)];
        if (length < shortest_[at(j)]) {
          shortest_[at(j)] = length;
          previous_[at(j)] = row;
        }
        if (nearest < 0 || shortest_[at(j)] < shortest_[at(nearest)]) nearest = j;
      }
      reached = shortest_[at(nearest)];
      is_done_[at(nearest)] = 1;
      if (row_[at(nearest)] < 0) return nearest;
      row = row_[at(nearest)];
    }
  }

  MatrixView<const double> gains_;
  std::vector<double> of_row_, of_column_;  // dual variables
  std::vector<Index> row_, column_;         // of each column, of each row; −1: none yet
  std::vector<double> shortest_;            // paths to columns
  std::vector<Index> previous_;             // row before each column on its path
  std::vector<char> is_done_;
};

}  // namespace

std::vector<Index> best_assignment(MatrixView<const double> gains) {
  PartialAssignment assignment(gains);
  for (Index row = 0; row < gains.rows; ++row) assignment.add(row);
  return assignment.columns();
}

}  // namespace scanmf
