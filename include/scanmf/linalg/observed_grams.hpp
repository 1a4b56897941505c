#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

#include "scanmf/linalg/gram_layout.hpp"
#include "scanmf/linalg/operations.hpp"

namespace scanmf {

/// What is known of the observed elements of all of X; the same on every rank but for the rows.
struct Observation {
  Observed observed = Observed::all;
  Index missing = 0;                   // elements that are not observed
  std::vector<Index> in_column = {};   // observed elements of each column, in rows of weight > 0; none where all are
  std::vector<Index> in_batch = {};    // those of each batch
  std::vector<Index> empty_rows = {};  // local rows without observed elements
  bool weighted = false;               // rows have weights
};

/// Calls visit(column, element) for the elements of a row that are held, in their order, NaN and 0 too; padding
/// excepted.
template <Scalar T, class Visit>
void for_each_in_row(const DenseTile<T>& x, Index row, Visit&& visit) {
  const Index padded = padded_columns<T>(x.columns);
  for (Index begin = 0; begin < x.columns; begin += strip_columns<T>) {
    const Index width = std::min(strip_columns<T>, padded - begin);
    const T* const elements = x.packed + begin * x.rows + row * width;
    for (Index j = 0; j < std::min(width, x.columns - begin); ++j) visit(begin + j, elements[j]);
  }
}
template <Scalar T, class Visit>
void for_each_in_row(const CsrTile<T>& x, Index row, Visit&& visit) {
  for (Index p = x.row_begin[row]; p < x.row_begin[row + 1]; ++p) visit(Index{x.column[p]}, x.value[p]);
}

/// Calls visit(row, column, element) for the elements that are held, row by row.
template <Scalar T, class Visit>
void for_each_held_element(const TileView<T>& x, Visit&& visit) {
  for (Index i = 0; i < x.rows(); ++i)
    x.visit([&](const auto& tile) {
      for_each_in_row(tile, i, [&](Index column, T element) { visit(i, column, element); });
    });
}

/// Whether nothing but rounding is left of a positive sum from which others were taken.
template <Scalar T>
constexpr bool is_rounding(T full, T left) {
  return !(left > 32 * std::numeric_limits<T>::epsilon() * full);
}

/// The Gram matrix of all rows of a set of which some are observed, in GramLayout.
template <Scalar T>
struct FullGram {
  explicit FullGram(Index k);
  FullGram(std::span<const double> gram, Index k);  // k × k

  std::vector<double> exact;
  std::vector<T> values;
};

/// gram (k rows of padded_components, whose padding is left alone) from a sum in GramLayout.
template <Scalar T>
void unpack_gram(const T* sums, Index k, T* gram);

/// Gram matrices of the rows of a tile of X: Σ h_j·h_jᵀ over the observed elements j of a row. One thread's.
template <Scalar T>
class RowGrams {
 public:
  /// h: with rows of Ht; full: that of all of them. Both kept by the caller.
  RowGrams(const TileView<T>& x, const RightFactor<T>& h, const FullGram<T>& full);
  ~RowGrams();
  RowGrams(const RowGrams&) = delete;
  RowGrams& operator=(const RowGrams&) = delete;

  /// gram (as of unpack_gram): the sum over what is observed, or all less what is not, whichever are fewer elements.
  void of_row(Index row, T* gram);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace scanmf
