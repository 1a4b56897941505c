// Tiles of sparse X, row by row.
#include <vector>

#include "linalg/column_order.hpp"
#include "linalg/lane_sums.hpp"
#include "linalg/observed_rows.hpp"
#include "linalg/strips.hpp"
#include "linalg/tile_operations.hpp"

namespace scanmf {
namespace {

/// Longest row of a tile.
template <Scalar T>
Index longest_row(const CsrTile<T>& x) {
  Index longest = 0;
  for (Index i = 0; i < x.rows; ++i) longest = std::max(longest, x.row_begin[i + 1] - x.row_begin[i]);
  return longest;
}

/// Values of a row without NaN, in `room` where it may have any.
template <Scalar T>
const T* observed_values(const CsrTile<T>& x, Index i, T* room) {
  const Index begin = x.row_begin[i];
  if (x.observed != Observed::not_nan) return x.value + begin;
  kernels::observed<T>().copy(x.value + begin, x.row_begin[i + 1] - begin, room);
  return room;
}
template <Scalar T>
Index room_for_values(const CsrTile<T>& x) {
  return x.observed == Observed::not_nan ? longest_row(x) : 0;
}

}  // namespace

template <Scalar T>
void TileOperations<CsrTile<T>>::project(const CsrTile<T>& x, const RightFactor<T>& h, MatrixView<T> p,
                                         Workspace<T>& work) {
  const Index stride = padded_components<T>(p.columns);
  T* const row = work.reserve(stride + room_for_values(x));
  for (Index i = 0; i < x.rows; ++i) {
    const Index begin = x.row_begin[i];
    kernels::sparse<T>().project_row(x.column + begin, observed_values(x, i, row + stride), x.row_begin[i + 1] - begin,
                                     x.row_begin[x.rows] - begin, h.rows(), stride, row);
    std::copy_n(row, p.columns, p.row(i));
  }
}

template <Scalar T>
void TileOperations<CsrTile<T>>::accumulate(const CsrTile<T>& x, MatrixView<const T> w, Accumulator<T>& xtw,
                                            Workspace<T>& work) {
  const Index stride = padded_components<T>(w.columns);
  T* const row = work.reserve(stride + room_for_values(x));
  for (Index i = 0; i < x.rows; ++i) {
    const Index begin = x.row_begin[i];
    pad_row(w.row(i), w.columns, stride, row);
    if (x.weights != nullptr) scale(x.weights[i], w.columns, row);
    kernels::sparse<T>().accumulate_row(x.column + begin, observed_values(x, i, row + stride),
                                        x.row_begin[i + 1] - begin, x.row_begin[x.rows] - begin, row, stride,
                                        xtw.data());
  }
}

namespace {

/// Goes through the strips of a few rows, and hides what is stored there and not observed.
template <Scalar T>
class StoredInStrips {
 public:
  StoredInStrips(const CsrTile<T>& x, Index first_row, Index rows)
      : x_(x), next_(x.observed == Observed::not_nan ? static_cast<std::size_t>(rows) : std::size_t{0}) {
    for (std::size_t i = 0; i < next_.size(); ++i) next_[i] = x.row_begin[first_row + static_cast<Index>(i)];
    first_row_ = first_row;
  }

  /// strip: rows × width, the one that follows the last one.
  void hide(Index begin, Index width, T* strip) {
    for (std::size_t i = 0; i < next_.size(); ++i) {
      const Index row = static_cast<Index>(i);
      for (Index& p = next_[i]; p < x_.row_begin[first_row_ + row + 1] && x_.column[p] < begin + width; ++p)
        if (!is_observed(x_.observed, x_.value[p])) strip[row * width + x_.column[p] - begin] = T{0};
    }
  }

 private:
  const CsrTile<T>& x_;
  Index first_row_ = 0;
  std::vector<Index> next_;  // position in each row
};

/// R·Hᵀ with R = Ỹ^(β−1) over all of W·H that is observed, for sparse X: groups of rows, blocks of strips.
template <Scalar T>
void project_all_denominators(const CsrTile<T>& x, MatrixView<const T> w, const RightFactor<T>& h,
                              const ElementWeights& weights, MatrixView<T> denominator, T* scratch) {
  const Index padded = padded_columns<T>(h.columns());
  const Index block = std::min(padded, weighted_block_columns<T>);
  set_zero(denominator);
  for_row_groups(w.rows, [&](Index i, Index rows) {
    const MatrixView<const T> group = w.middle_rows({i, i + rows});
    StoredInStrips<T> stored(x, i, rows);
    for (Index first = 0; first < padded; first += block) {
      const Index last = std::min(padded, first + block);
      for (Index begin = first; begin < last; begin += strip_columns<T>) {
        const Index width = strip_width<T>(begin, h.columns());
        T* const strip = scratch + (begin - first) * rows;
        multiply_one_strip(group, h, begin, width, strip);
        kernels::vectors<T>().weigh_denominator(strip, rows * width, weights);
        stored.hide(begin, width, strip);
        zero_padding(strip, rows, begin, width, h.columns());
      }
      project_block(scratch, rows, h, first, last - first, denominator.middle_rows({i, i + rows}));
    }
  });
}

/// Rᵀ·W over all of W·H that is observed, for sparse X.
template <Scalar T>
void accumulate_all_denominators(const CsrTile<T>& x, MatrixView<const T> w, const RightFactor<T>& h,
                                 const ElementWeights& weights, Accumulator<T>& denominator, T* scratch) {
  for_row_groups(w.rows, [&](Index i, Index rows) {
    const MatrixView<const T> group = w.middle_rows({i, i + rows});
    StoredInStrips<T> stored(x, i, rows);
    for (Index begin = 0; begin < padded_columns<T>(h.columns()); begin += strip_columns<T>) {
      const Index width = strip_width<T>(begin, h.columns());
      multiply_one_strip(group, h, begin, width, scratch);
      kernels::vectors<T>().weigh_denominator(scratch, rows * width, weights);
      stored.hide(begin, width, scratch);
      for (Index r = 0; x.weights != nullptr && r < rows; ++r) scale(x.weights[i + r], width, scratch + r * width);
      accumulate_strip<T>(group, scratch, begin, width, denominator);
    }
  });
}

/// The elements of a row that are stored, weighted by a loss.
template <Scalar T>
struct WeightedRow {
  const std::int32_t* column;
  Index count;
  Index known;  // columns that may be looked at
  const T* q;
  const T* r;  // null: is not asked for
};

/// Row i of a tile. row: room for W's, padded; r: room for the denominators at what is stored, or null.
template <Scalar T>
WeightedRow<T> weighted_row(const CsrTile<T>& x, Index i, MatrixView<const T> w, const RightFactor<T>& h,
                            const ElementWeights& weights, T* row, T* q, T* r) {
  const Index stride = padded_components<T>(w.columns);
  const Index begin = x.row_begin[i];
  const Index count = x.row_begin[i + 1] - begin;
  const Index known = x.row_begin[x.rows] - begin;
  pad_row(w.row(i), w.columns, stride, row);
  kernels::sparse<T>().product_at(x.column + begin, count, known, row, h.rows(), stride, q);
  kernels::vectors<T>().weigh(x.observed, x.value + begin, q, count, weights, q, r);
  return {x.column + begin, count, known, q, r};
}

/// Whether denominators are sums over stored elements, or over all that are observed.
template <Scalar T>
bool has_stored_denominators(const CsrTile<T>& x, const ElementWeights& weights) {
  return weights.with_denominator && (x.observed == Observed::not_zero || weights.corrects);
}
template <Scalar T>
bool has_all_denominators(const CsrTile<T>& x, const ElementWeights& weights) {
  return weights.with_denominator && !has_stored_denominators(x, weights);
}

/// Whether all denominator weights are 1: of what is stored, nothing is hidden.
template <Scalar T>
bool has_unit_denominators(const CsrTile<T>& x, const ElementWeights& weights) {
  return x.observed == Observed::not_zero && weights.counts_observed() && std::ranges::count(x.stored(), T{0}) == 0;
}

/// Rᵀ·W of one row at what is stored, into an accumulator in strips.
template <Scalar T>
void accumulate_in_strips(const WeightedRow<T>& stored, const T* w, Accumulator<T>& denominator) {
  const Index k = denominator.components();
  for (Index t = 0; t < stored.count; ++t) {
    if (stored.r[t] == T{0}) continue;
    const Index begin = stored.column[t] / strip_columns<T> * strip_columns<T>;
    const Index width = strip_width<T>(begin, denominator.columns());
    T* const to = denominator.data() + begin * k + (stored.column[t] - begin);
    for (Index c = 0; c < k; ++c) to[c * width] += stored.r[t] * w[c];
  }
}

}  // namespace

template <Scalar T>
void TileOperations<CsrTile<T>>::project_weighted(const CsrTile<T>& x, MatrixView<const T> w, const RightFactor<T>& h,
                                                  const ElementWeights& weights, MatrixView<T> numerator,
                                                  MatrixView<T> denominator, Workspace<T>& work) {
  const Index stride = padded_components<T>(w.columns);
  const bool stored = has_stored_denominators(x, weights);
  const bool all = has_all_denominators(x, weights);
  // Short rows are multiplied with 1 in less time than the look at x takes.
  const bool counted = worth_ordering<T>(w.columns) && has_unit_denominators(x, weights);
  const Index longest = longest_row(x);
  const Index block = !all ? 0 : std::min(padded_columns<T>(x.columns), weighted_block_columns<T>) * row_group;
  T* const row = work.reserve(3 * stride + 2 * longest + block);
  T* const p = row + stride;
  T* const s = p + stride;
  T* const q = s + stride;
  if (all) project_all_denominators(x, w, h, weights, denominator, row);
  for (Index i = 0; i < x.rows; ++i) {
    const WeightedRow<T> r = weighted_row(x, i, w, h, weights, row, q, stored && !counted ? q + longest : nullptr);
    if (stored) {
      kernels::sparse<T>().project_row_twice(r.column, r.q, r.r, r.count, r.count, h.rows(), stride, p, s);
      std::copy_n(s, w.columns, denominator.row(i));
    } else {
      kernels::sparse<T>().project_row(r.column, r.q, r.count, r.count, h.rows(), stride, p);
    }
    std::copy_n(p, w.columns, numerator.row(i));
  }
}

namespace {

/// Row by row: numerators, and denominators at what is stored.
template <Scalar T>
void accumulate_stored_by_rows(const CsrTile<T>& x, Range rows, MatrixView<const T> w, const RightFactor<T>& h,
                               const ElementWeights& weights, Accumulator<T>& numerator, Accumulator<T>& denominator,
                               Workspace<T>& work) {
  const bool stored = has_stored_denominators(x, weights);
  const Index stride = padded_components<T>(w.columns);
  const Index longest = longest_row(x);
  T* const row = work.reserve(stride + 2 * longest);
  T* const q = row + stride;
  for (Index i = rows.begin; i < rows.end; ++i) {
    const WeightedRow<T> r = weighted_row(x, i, w, h, weights, row, q, stored ? q + longest : nullptr);
    if (x.weights != nullptr) scale(x.weights[i], w.columns, row);
    if (stored && denominator.kind() == StorageKind::csr) {
      kernels::sparse<T>().accumulate_row_twice(r.column, r.q, r.r, r.count, r.known, row, stride, numerator.data(),
                                                denominator.data());
      continue;
    }
    kernels::sparse<T>().accumulate_row(r.column, r.q, r.count, r.known, row, stride, numerator.data());
    if (stored) accumulate_in_strips(r, row, denominator);
  }
}

/// The same of both, ordered by columns: the same additions in the same order. counted: has_unit_denominators of x.
template <Scalar T>
void accumulate_stored_by_columns(const CsrTile<T>& x, Range rows, bool counted, MatrixView<const T> w,
                                  const RightFactor<T>& h, const ElementWeights& weights, Accumulator<T>& numerator,
                                  Accumulator<T>& denominator, Workspace<T>& work) {
  const Index stride = padded_components<T>(w.columns);
  const Index elements = x.row_begin[rows.end] - x.row_begin[rows.begin];
  T* const padded = work.reserve(x.rows * stride + 4 * elements);
  T* const q = padded + x.rows * stride;
  T* const r = counted ? nullptr : q + elements;
  for (Index i = rows.begin; i < rows.end; ++i) {
    const Index at = x.row_begin[i] - x.row_begin[rows.begin];
    weighted_row(x, i, w, h, weights, padded + i * stride, q + at, r == nullptr ? nullptr : r + at);
    if (x.weights != nullptr) scale(x.weights[i], w.columns, padded + i * stride);
  }
  ColumnOrder<T> order(x.columns, elements, work.reserve_indices(x.columns + elements), q + 2 * elements);
  order.assign(x, rows, q, r);
  order.accumulate(padded, stride, numerator.data(), denominator.data());
}

}  // namespace

template <Scalar T>
void TileOperations<CsrTile<T>>::accumulate_weighted(const CsrTile<T>& x, MatrixView<const T> w,
                                                     const RightFactor<T>& h, const ElementWeights& weights,
                                                     Accumulator<T>& numerator, Accumulator<T>& denominator,
                                                     Workspace<T>& work) {
  const bool by_columns =
      has_stored_denominators(x, weights) && denominator.kind() == StorageKind::csr && worth_ordering<T>(w.columns);
  if (!by_columns) accumulate_stored_by_rows(x, {0, x.rows}, w, h, weights, numerator, denominator, work);
  const bool counted = by_columns && has_unit_denominators(x, weights);
  for (Range rows{0, 0}; by_columns && rows.begin < x.rows; rows.begin = rows.end) {
    const auto elements = [&] { return x.row_begin[rows.end] - x.row_begin[rows.begin]; };
    for (++rows.end; rows.end < x.rows && elements() < most_ordered * x.columns;) ++rows.end;
    if (worth_ordering(elements(), x.columns))
      accumulate_stored_by_columns(x, rows, counted, w, h, weights, numerator, denominator, work);
    else
      accumulate_stored_by_rows(x, rows, w, h, weights, numerator, denominator, work);
  }
  if (has_all_denominators(x, weights))
    accumulate_all_denominators(x, w, h, weights, denominator, work.reserve(strip_columns<T> * row_group));
}

template <Scalar T>
double TileOperations<CsrTile<T>>::divergence_sum(const CsrTile<T>& x, MatrixView<const T> w, const RightFactor<T>& h,
                                                  const DivergenceTerms& terms, Workspace<T>& work) {
  const Index stride = padded_components<T>(w.columns);
  const Index longest = longest_row(x);
  T* const row = work.reserve(stride + 3 * longest + strip_columns<T> * row_group);
  T* const y = row + stride;
  const auto weight_of = [&x](Index i) { return x.weights == nullptr ? 1.0 : static_cast<double>(x.weights[i]); };
  double sum = 0;
  for (Index i = 0; i < x.rows; ++i) {
    const Index begin = x.row_begin[i];
    const Index count = x.row_begin[i + 1] - begin;
    pad_row(w.row(i), w.columns, stride, row);
    kernels::sparse<T>().product_at(x.column + begin, count, x.row_begin[x.rows] - begin, row, h.rows(), stride, y);
    const ObservedPairs<T> pairs(x.observed, x.value + begin, y, count, y + longest);
    sum += weight_of(i) * (x.observed == Observed::not_zero ? pairs.divergence(terms) : pairs.stored_divergence(terms));
  }
  if (terms.form != DivergenceTerms::Form::powers || x.observed == Observed::not_zero) return sum;
  double powers = 0;
  for_row_groups(w.rows, [&](Index i, Index rows) {
    for (Index begin = 0; begin < padded_columns<T>(x.columns); begin += strip_columns<T>) {
      const Index width = strip_width<T>(begin, x.columns);
      multiply_one_strip(MatrixView<const T>(w.middle_rows({i, i + rows})), h, begin, width, row);
      for (Index r = 0; r < rows; ++r)
        powers += weight_of(i + r) * kernels::vectors<T>().sum_of_powers(
                                         row + r * width, std::min(width, x.columns - begin), terms.exponent);
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

double column_order_bytes(Index columns, Index components, Index stored, DataType type) {
  if (type == DataType::float32 ? !worth_ordering<float>(components) : !worth_ordering<double>(components)) return 0;
  const Index most = std::min(stored, (most_ordered + 1) * columns);
  if (!worth_ordering(most, columns)) return 0;
  const auto values = static_cast<double>(4 * most) * static_cast<double>(size_of(type));
  return values + static_cast<double>(columns + most) * static_cast<double>(sizeof(std::int32_t));
}

template struct TileOperations<CsrTile<float>>;
template struct TileOperations<CsrTile<double>>;

}  // namespace scanmf
