#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "scanmf/core/types.hpp"

namespace scanmf::data {

/// Columns in all ranges.
inline Index number_of_columns(const std::vector<Range>& ranges) {
  Index columns = 0;
  for (const Range& range : ranges) columns += range.size();
  return columns;
}

/// Which columns of a sparse matrix in a file are X's, and which numbers they have there.
class ColumnSelection {
 public:
  /// All columns, under their own numbers.
  ColumnSelection() = default;
  /// ranges: ascending, without overlap; none: all columns.
  explicit ColumnSelection(const std::vector<Range>& ranges) : ranges_(ranges) {
    Index first = 0;
    for (const Range& range : ranges) {
      first_.push_back(first);
      first += range.size();
    }
  }

  bool all() const { return ranges_.empty(); }

  /// The number that a column of the file has in X; −1 when it is not X's.
  Index number_of(Index column) const {
    if (all()) return column;
    const auto range = std::upper_bound(ranges_.begin(), ranges_.end(), column,
                                        [](Index here, const Range& candidate) { return here < candidate.end; });
    if (range == ranges_.end() || column < range->begin) return -1;
    return column - range->begin + first_[static_cast<std::size_t>(range - ranges_.begin())];
  }

  /// Drops the elements of other columns and numbers the others as in X; returns how many remain.
  template <class T>
  Index keep_selected(Index count, std::int32_t* column, T* value) const {
    Index kept = 0;
    for (Index p = 0; p < count; ++p) {
      const Index number = number_of(column[p]);
      if (number < 0) continue;
      column[kept] = static_cast<std::int32_t>(number);
      value[kept++] = value[p];
    }
    return kept;
  }

 private:
  std::vector<Range> ranges_;
  std::vector<Index> first_;  // number in X of each range's first column
};

}  // namespace scanmf::data
