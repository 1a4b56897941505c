#pragma once

#include <algorithm>

#include "linalg/kernels.hpp"

// What the operations on tiles share: strips of columns, groups of rows.

namespace scanmf {

/// Strips of a dense tile that are weighted at a time: what the project kernel takes as one block of columns.
template <Scalar T>
constexpr Index weighted_block_columns = 16 * strip_columns<T>;

template <Scalar T>
constexpr Index strips_of(Index columns) {
  return (columns + strip_columns<T> - 1) / strip_columns<T>;
}

template <Scalar T>
Index strip_width(Index begin, Index columns) {
  return std::min(strip_columns<T>, padded_columns<T>(columns) - begin);
}

/// y (rows × width, packed) = one strip of W·H.
template <Scalar T>
void multiply_one_strip(MatrixView<const T> w, const RightFactor<T>& h, Index begin, Index width, T* y) {
  kernels::dense<T>().multiply_strip(w.data, w.stride, 1, w.rows, w.columns, h.strip(begin), width, width, y, false,
                                     nullptr, 0);
}

/// p += one block of columns of A·Hᵀ, from column `first` on: a is rows × columns in strips.
template <Scalar T>
void project_block(const T* a, Index rows, const RightFactor<T>& h, Index first, Index columns, MatrixView<T> p) {
  kernels::dense<T>().project_strips(a, rows, h.strip(first), h.strip_rows(), h.components(), columns, p.data,
                                     p.stride);
}

template <Scalar T>
void zero_padding(T* strip, Index rows, Index begin, Index width, Index columns) {
  if (begin + width <= columns) return;
  for (Index i = 0; i < rows; ++i) std::fill(strip + i * width + (columns - begin), strip + (i + 1) * width, T{0});
}

template <Scalar T>
void set_zero(MatrixView<T> m) {
  for (Index i = 0; i < m.rows; ++i) std::fill_n(m.row(i), m.columns, T{0});
}

/// out += one strip of Aᵀ·W: x is rows × width packed. next: elements that are needed soon and brought into the cache
/// meanwhile, or null.
template <Scalar T>
void accumulate_strip(MatrixView<const T> w, const T* x, Index begin, Index width, Accumulator<T>& out,
                      const T* next = nullptr, Index next_count = 0) {
  kernels::dense<T>().multiply_strip(w.data, 1, w.stride, w.columns, w.rows, x, width, width,
                                     out.data() + begin * w.columns, true, next, next_count);
}

/// w with rows padded to `stride` elements, zeros behind.
template <Scalar T>
void pad_row(const T* row, Index columns, Index stride, T* padded) {
  std::copy_n(row, columns, padded);
  std::fill(padded + columns, padded + stride, T{0});
}

/// Calls body(first, count) for groups of rows.
template <class Body>
void for_row_groups(Index rows, Body&& body) {
  for (Index i = 0; i < rows; i += row_group) body(i, std::min(row_group, rows - i));
}

}  // namespace scanmf
