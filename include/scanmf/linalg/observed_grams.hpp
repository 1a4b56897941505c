#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "scanmf/linalg/operations.hpp"

namespace scanmf {

/// What is known of the observed elements of all of X; the same on every rank but for the rows.
struct Observation {
  Observed observed = Observed::all;
  Index missing = 0;                   // elements that are not observed
  std::vector<Index> in_column = {};   // observed elements of each column, in rows of weight > 0; none where all are
  std::vector<Index> in_batch = {};    // those of each batch
  std::vector<Index> empty_rows = {};  // local rows without observed elements
  std::vector<std::uint8_t> few = {};  // of each column: its observed elements are the smaller set, else the others
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

/// Elements of a symmetric k × k matrix that is kept as its upper triangle, row by row.
constexpr Index triangle_size(Index k) { return k * (k + 1) / 2; }
/// Where row a of the triangle begins: with the element of the diagonal.
constexpr Index triangle_row(Index k, Index a) { return a * k - a * (a - 1) / 2; }

/// What is left of an element of a diagonal when what is not observed has been taken from `full`: 0 where nothing but
/// rounding is left, by which nobody may divide.
template <Scalar T>
constexpr T left_of(T full, T hidden) {
  const T left = full - hidden;
  return left > 32 * std::numeric_limits<T>::epsilon() * full ? left : T{0};
}

/// gram (k × k) = Σ h_j·h_jᵀ over the observed elements j of one row of the tile: of these, or `full` less that of the
/// others, whichever are fewer. h: with rows of Ht.
template <Scalar T>
void row_gram(const TileView<T>& x, Index row, const RightFactor<T>& h, const T* full, T* gram, Workspace<T>& work);

/// One coordinate-descent sweep over one row f (k), as sweep_rows does it, with a Gram matrix (k × k) of its own.
/// Returns its violation.
template <Scalar T>
double sweep_row(T* f, const T* p, double l1, const T* gram, Index k, const Index* order);

}  // namespace scanmf
