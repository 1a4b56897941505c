// Tiles of sparse X, row by row.
#include "linalg/lane_sums.hpp"
#include "linalg/strips.hpp"
#include "linalg/tile_operations.hpp"

namespace scanmf {

template <Scalar T>
void TileOperations<CsrTile<T>>::project(const CsrTile<T>& x, const RightFactor<T>& h, MatrixView<T> p,
                                         Workspace<T>& work) {
  const Index stride = padded_components<T>(p.columns);
  T* const row = work.reserve(stride);
  for (Index i = 0; i < x.rows; ++i) {
    const Index begin = x.row_begin[i];
    kernels::sparse<T>().project_row(x.column + begin, x.value + begin, x.row_begin[i + 1] - begin,
                                     x.row_begin[x.rows] - begin, h.rows(), stride, row);
    std::copy_n(row, p.columns, p.row(i));
  }
}

template <Scalar T>
void TileOperations<CsrTile<T>>::accumulate(const CsrTile<T>& x, MatrixView<const T> w, Accumulator<T>& xtw,
                                            Workspace<T>& work) {
  const Index stride = padded_components<T>(w.columns);
  T* const row = work.reserve(stride);
  for (Index i = 0; i < x.rows; ++i) {
    const Index begin = x.row_begin[i];
    pad_row(w.row(i), w.columns, stride, row);
    kernels::sparse<T>().accumulate_row(x.column + begin, x.value + begin, x.row_begin[i + 1] - begin,
                                        x.row_begin[x.rows] - begin, row, stride, xtw.data());
  }
}

namespace {

/// R·Hᵀ with R = Ỹ^(β−1) over all of W·H, for sparse X: groups of rows, blocks of strips.
template <Scalar T>
void project_all_denominators(MatrixView<const T> w, const RightFactor<T>& h, const ElementWeights& weights,
                              MatrixView<T> denominator, T* scratch) {
  const Index padded = padded_columns<T>(h.columns());
  const Index block = std::min(padded, weighted_block_columns<T>);
  set_zero(denominator);
  for_row_groups(w.rows, [&](Index i, Index rows) {
    const MatrixView<const T> group = w.middle_rows({i, i + rows});
    for (Index first = 0; first < padded; first += block) {
      const Index last = std::min(padded, first + block);
      for (Index begin = first; begin < last; begin += strip_columns<T>) {
        const Index width = strip_width<T>(begin, h.columns());
        T* const strip = scratch + (begin - first) * rows;
        multiply_one_strip(group, h, begin, width, strip);
        kernels::vectors<T>().weigh_denominator(strip, rows * width, weights);
        zero_padding(strip, rows, begin, width, h.columns());
      }
      project_block(scratch, rows, h, first, last - first, denominator.middle_rows({i, i + rows}));
    }
  });
}

/// Rᵀ·W over all of W·H, for sparse X.
template <Scalar T>
void accumulate_all_denominators(MatrixView<const T> w, const RightFactor<T>& h, const ElementWeights& weights,
                                 Accumulator<T>& denominator, T* scratch) {
  for_row_groups(w.rows, [&](Index i, Index rows) {
    const MatrixView<const T> group = w.middle_rows({i, i + rows});
    for (Index begin = 0; begin < padded_columns<T>(h.columns()); begin += strip_columns<T>) {
      const Index width = strip_width<T>(begin, h.columns());
      multiply_one_strip(group, h, begin, width, scratch);
      kernels::vectors<T>().weigh_denominator(scratch, rows * width, weights);
      accumulate_strip<T>(group, scratch, begin, width, denominator);
    }
  });
}

/// Longest row of a tile.
template <Scalar T>
Index longest_row(const CsrTile<T>& x) {
  Index longest = 0;
  for (Index i = 0; i < x.rows; ++i) longest = std::max(longest, x.row_begin[i + 1] - x.row_begin[i]);
  return longest;
}

/// Calls body(i, columns, q, count, known) with the weights q = x·Ŷ^(β−2) at the non-zeros of each row.
template <Scalar T, class Body>
void for_weighted_rows(const CsrTile<T>& x, MatrixView<const T> w, const RightFactor<T>& h,
                       const ElementWeights& weights, T* row, T* q, Body&& body) {
  const Index stride = padded_components<T>(w.columns);
  for (Index i = 0; i < x.rows; ++i) {
    const Index begin = x.row_begin[i];
    const Index count = x.row_begin[i + 1] - begin;
    pad_row(w.row(i), w.columns, stride, row);
    kernels::sparse<T>().product_at(x.column + begin, count, x.row_begin[x.rows] - begin, row, h.rows(), stride, q);
    kernels::vectors<T>().weigh(x.value + begin, q, count, weights, q, static_cast<T*>(nullptr));
    body(i, x.column + begin, q, count, x.row_begin[x.rows] - begin);
  }
}

}  // namespace

template <Scalar T>
void TileOperations<CsrTile<T>>::project_weighted(const CsrTile<T>& x, MatrixView<const T> w, const RightFactor<T>& h,
                                                  const ElementWeights& weights, MatrixView<T> numerator,
                                                  MatrixView<T> denominator, Workspace<T>& work) {
  const Index stride = padded_components<T>(w.columns);
  const Index block =
      !weights.with_denominator ? 0 : std::min(padded_columns<T>(x.columns), weighted_block_columns<T>) * row_group;
  T* const row = work.reserve(2 * stride + longest_row(x) + block);
  T* const p = row + stride;
  T* const q = p + stride;
  for_weighted_rows(x, w, h, weights, row, q,
                    [&](Index i, const std::int32_t* column, const T* q_row, Index count, Index) {
                      kernels::sparse<T>().project_row(column, q_row, count, count, h.rows(), stride, p);
                      std::copy_n(p, w.columns, numerator.row(i));
                    });
  if (weights.with_denominator) project_all_denominators(w, h, weights, denominator, row);
}

template <Scalar T>
void TileOperations<CsrTile<T>>::accumulate_weighted(const CsrTile<T>& x, MatrixView<const T> w,
                                                     const RightFactor<T>& h, const ElementWeights& weights,
                                                     Accumulator<T>& numerator, Accumulator<T>& denominator,
                                                     Workspace<T>& work) {
  const Index stride = padded_components<T>(w.columns);
  const Index block = !weights.with_denominator ? 0 : strip_columns<T> * row_group;
  T* const row = work.reserve(stride + longest_row(x) + block);
  T* const q = row + stride;
  for_weighted_rows(x, w, h, weights, row, q,
                    [&](Index, const std::int32_t* column, const T* q_row, Index count, Index known) {
                      kernels::sparse<T>().accumulate_row(column, q_row, count, known, row, stride, numerator.data());
                    });
  if (weights.with_denominator) accumulate_all_denominators(w, h, weights, denominator, row);
}

template <Scalar T>
double TileOperations<CsrTile<T>>::divergence_sum(const CsrTile<T>& x, MatrixView<const T> w, const RightFactor<T>& h,
                                                  const DivergenceTerms& terms, Workspace<T>& work) {
  const Index stride = padded_components<T>(w.columns);
  T* const row = work.reserve(stride + longest_row(x) + strip_columns<T> * row_group);
  T* const y = row + stride;
  double sum = 0;
  for (Index i = 0; i < x.rows; ++i) {
    const Index begin = x.row_begin[i];
    const Index count = x.row_begin[i + 1] - begin;
    pad_row(w.row(i), w.columns, stride, row);
    kernels::sparse<T>().product_at(x.column + begin, count, x.row_begin[x.rows] - begin, row, h.rows(), stride, y);
    sum += kernels::vectors<T>().stored_terms(x.value + begin, y, count, terms);
  }
  if (terms.form != DivergenceTerms::Form::powers) return sum;
  double powers = 0;
  for_row_groups(w.rows, [&](Index i, Index rows) {
    for (Index begin = 0; begin < padded_columns<T>(x.columns); begin += strip_columns<T>) {
      const Index width = strip_width<T>(begin, x.columns);
      multiply_one_strip(MatrixView<const T>(w.middle_rows({i, i + rows})), h, begin, width, row);
      for (Index r = 0; r < rows; ++r)
        powers +=
            kernels::vectors<T>().sum_of_powers(row + r * width, std::min(width, x.columns - begin), terms.exponent);
    }
  });
  return sum + (terms.exponent - 1) * powers;
}

template <Scalar T>
std::optional<double> TileOperations<CsrTile<T>>::divergence_by_projection(const CsrTile<T>& x, MatrixView<const T> w,
                                                                           MatrixView<const T> p, const double*,
                                                                           Workspace<T>&) {
  const Index begin = x.row_begin[0];
  return kernels::vectors<T>().sum_of_squares(x.value + begin, x.row_begin[x.rows] - begin) / 2 - dot(p, w);
}

template struct TileOperations<CsrTile<float>>;
template struct TileOperations<CsrTile<double>>;

}  // namespace scanmf
