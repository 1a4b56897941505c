#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

#include "linalg/kernels.hpp"

namespace scanmf {

/// Whether rows of sums are so long that it is worth ordering elements (k of 33 or more in float32).
template <Scalar T>
constexpr bool worth_ordering(Index components) {
  return padded_components<T>(components) * static_cast<Index>(sizeof(T)) > 128;
}
/// Elements for each column that are ordered at a time, a row more or less.
constexpr Index most_ordered = 16;
/// Whether so many elements are enough, and can be counted by ColumnOrder.
constexpr bool worth_ordering(Index elements, Index columns) {
  return elements >= 2 * columns && elements <= std::numeric_limits<std::int32_t>::max();
}

/// Stored elements of some rows of sparse X with their weights, ordered by columns and within a column by rows: sums
/// over rows then stay in registers, where row by row each element reads and writes two rows of sums.
template <Scalar T>
class ColumnOrder {
 public:
  /// Room for as many elements: columns + elements indices, 2·elements values.
  ColumnOrder(Index columns, Index elements, std::int32_t* indices, T* values)
      : columns_(columns), end_(indices), row_(indices + columns), q_(values), r_(values + elements) {}

  /// q, r: weights of the elements of some rows of x, row by row; null r: each is 1.
  void assign(const CsrTile<T>& x, Range rows, const T* q, const T* r) {
    const std::int32_t* const column = x.column + x.row_begin[rows.begin];
    const Index count = x.row_begin[rows.end] - x.row_begin[rows.begin];
    with_r_ = r != nullptr;
    std::fill_n(end_, columns_, 0);
    for (Index t = 0; t < count; ++t) ++end_[column[t]];
    std::int32_t begin = 0;
    for (Index j = 0; j < columns_; ++j) begin += std::exchange(end_[j], begin);
    Index t = 0;
    for (Index i = rows.begin; i < rows.end; ++i) {
      for (const Index row_end = x.row_begin[i + 1] - x.row_begin[rows.begin]; t < row_end; ++t) {
        if (t + ahead < count) prefetch(end_[column[t + ahead]]);
        const std::int32_t to = end_[column[t]]++;
        row_[to] = static_cast<std::int32_t>(i);
        q_[to] = q[t];
        if (with_r_) r_[to] = r[t];
      }
    }
  }

  /// Adds Σ q·w(row) to the rows of `numerator` and Σ r·w(row) to those of `denominator`, a row a column of X; rows of
  /// all three are padded to `stride` elements.
  void accumulate(const T* w, Index stride, T* numerator, T* denominator) const {
    kernels::sparse<T>().accumulate_columns(end_, columns_, row_, q_, with_r_ ? r_ : nullptr, w, stride, numerator,
                                            denominator);
  }

 private:
  static constexpr Index ahead = 24;
  void prefetch(std::int32_t to) const {
    __builtin_prefetch(row_ + to, 1);
    __builtin_prefetch(q_ + to, 1);
    if (with_r_) __builtin_prefetch(r_ + to, 1);
  }

  Index columns_;
  bool with_r_ = true;
  std::int32_t* end_;  // of each column's elements
  std::int32_t* row_;
  T* q_;
  T* r_;
};

}  // namespace scanmf
