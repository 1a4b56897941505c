// Tiles of dense X, packed in strips.
#include <numeric>
#include <vector>

#include "linalg/lane_sums.hpp"
#include "linalg/observed_bits.hpp"
#include "linalg/observed_rows.hpp"
#include "linalg/strips.hpp"
#include "linalg/tile_operations.hpp"

namespace scanmf {
namespace {

/// Of ‖X‖²: a distance ‖X − W·H‖² below it is not formed as a difference of such sums, which are good to some 1e-8 of
/// ‖X‖² in float32.
constexpr double least_difference = 0.01;

/// p += X·Hᵀ, where NaN stand for 0.
template <Scalar T>
void project_observed(const DenseTile<T>& x, const RightFactor<T>& h, MatrixView<T> p, Workspace<T>& work) {
  const Index padded = padded_columns<T>(x.columns);
  const Index block = std::min(padded, weighted_block_columns<T>);
  T* const observed = work.reserve(block * x.rows);
  for (Index first = 0; first < padded; first += block) {
    const Index columns = std::min(padded - first, block);
    kernels::observed<T>().copy(x.packed + first * x.rows, columns * x.rows, observed);
    project_block(observed, x.rows, h, first, columns, p);
  }
}

/// XᵀW += Xᵀ·W for a tile that is not plain.
template <Scalar T>
void accumulate_observed(const DenseTile<T>& x, MatrixView<const T> w, Accumulator<T>& xtw, Workspace<T>& work) {
  T* const observed = work.reserve(strip_columns<T> * x.rows + w.rows * w.columns);
  const MatrixView<const T> weighted = weighted_rows(x.weights, w, observed + strip_columns<T> * x.rows);
  for (Index begin = 0; begin < padded_columns<T>(x.columns); begin += strip_columns<T>) {
    const Index width = strip_width<T>(begin, x.columns);
    const T* const strip = x.packed + begin * x.rows;
    const bool clean = x.observed != Observed::not_nan;
    if (!clean) kernels::observed<T>().copy(strip, width * x.rows, observed);
    accumulate_strip<T>(weighted, clean ? strip : observed, begin, width, xtw);
  }
}

/// The divergence of a tile that is not plain, row by row.
template <Scalar T>
double divergence_of_observed(const DenseTile<T>& x, MatrixView<const T> w, const RightFactor<T>& h,
                              const DivergenceTerms& terms, Workspace<T>& work) {
  T* const y = work.reserve(strip_columns<T> * (x.rows + 2));
  T* const scratch = y + strip_columns<T> * x.rows;
  std::vector<double> of_rows(static_cast<std::size_t>(x.rows), 0.0);
  for (Index begin = 0; begin < padded_columns<T>(x.columns); begin += strip_columns<T>) {
    const Index width = strip_width<T>(begin, x.columns);
    multiply_one_strip(w, h, begin, width, y);
    for (Index i = 0; i < x.rows; ++i) {
      const ObservedPairs<T> pairs(x.observed, x.packed + begin * x.rows + i * width, y + i * width,
                                   std::min(width, x.columns - begin), scratch);
      of_rows[static_cast<std::size_t>(i)] += pairs.divergence(terms);
    }
  }
  return weighted_sum(x.weights, of_rows);
}

/// R·Hᵀ of the Frobenius norm, row by row: W·HHᵀ less what is missing, or, where that leaves little, the sum over what
/// is observed.
template <Scalar T>
class FrobeniusDenominators {
 public:
  FrobeniusDenominators(const DenseTile<T>& x, const RightFactor<T>& h) : x_(x), h_(h) {}

  /// Whether so little of some rows is missing that lists take less time than products do.
  bool few_seem_missing() {
    constexpr Index samples = 4;
    Index missing = 0;
    Index seen = 0;
    missing_.resize(static_cast<std::size_t>(x_.columns + 16));
    for (Index i = 0; i < x_.rows; i += (x_.rows + samples - 1) / samples, seen += x_.columns)
      missing += list(i, missing_.data());
    return missing <= seen / seldom;
  }
  /// Lists what is missing; whether that is as little, indeed.
  bool few_are_missing() {
    const Index most = x_.rows * x_.columns / seldom;
    missing_.resize(static_cast<std::size_t>(most + x_.columns + 16));
    end_.assign(1, 0);
    for (Index i = 0; i < x_.rows && end_.back() <= most; ++i)
      end_.push_back(end_.back() + list(i, missing_.data() + end_.back()));
    return end_.back() <= most;
  }

  void project(MatrixView<const T> w, MatrixView<T> denominator, Workspace<T>& work) {
    multiply<T>(w, *h_.gram(), denominator, work);
    const Index stride = padded_components<T>(w.columns);
    T* const row = work.reserve(2 * stride + x_.columns);
    T* const sums = row + stride;
    for (Index i = 0; i < w.rows; ++i) {
      const auto at = static_cast<std::size_t>(i);
      const std::span<const std::int32_t> missing(missing_.data() + end_[at], missing_.data() + end_[at + 1]);
      if (missing.empty()) continue;
      pad_row(w.row(i), w.columns, stride, row);
      sum_of_listed(missing, row, stride, sums);
      T* const d = denominator.row(i);
      if (leaves_enough(d, sums, w.columns)) {
        for (Index c = 0; c < w.columns; ++c) d[c] -= sums[c];
        continue;
      }
      list_others({0, x_.columns}, missing, others_);
      sum_of_listed(others_, row, stride, sums);
      std::copy_n(sums, w.columns, d);
    }
  }

 private:
  static constexpr Index seldom = 8;  // one of so many

  Index list(Index row, std::int32_t* to) const {
    return kernels::observed<T>().list_missing(x_.observed, x_.packed, x_.rows, row, x_.columns, to);
  }
  /// Σ (w·h)·h over the listed columns.
  void sum_of_listed(std::span<const std::int32_t> list, const T* w, Index stride, T* sums) const {
    T* const products = sums + stride;
    const auto count = static_cast<Index>(list.size());
    kernels::sparse<T>().product_at(list.data(), count, count, w, h_.rows(), stride, products);
    kernels::sparse<T>().project_row(list.data(), products, count, count, h_.rows(), stride, sums);
  }
  static bool leaves_enough(const T* all, const T* missing, Index count) {
    constexpr T enough = T{15} / 16;
    for (Index c = 0; c < count; ++c)
      if (missing[c] > enough * all[c]) return false;
    return true;
  }

  const DenseTile<T>& x_;
  const RightFactor<T>& h_;
  std::vector<std::int32_t> missing_;  // columns, row by row
  std::vector<Index> end_;             // 0, and where each row's end
  std::vector<std::int32_t> others_;
};

}  // namespace

template <Scalar T>
void TileOperations<DenseTile<T>>::project(const DenseTile<T>& x, const RightFactor<T>& h, MatrixView<T> p,
                                           Workspace<T>& work) {
  set_zero(p);
  if (x.observed == Observed::not_nan) return project_observed(x, h, p, work);
  project_block(x.packed, x.rows, h, 0, padded_columns<T>(x.columns), p);
}

template <Scalar T>
void TileOperations<DenseTile<T>>::accumulate(const DenseTile<T>& x, MatrixView<const T> w, Accumulator<T>& xtw,
                                              Workspace<T>& work) {
  if (!x.is_plain()) return accumulate_observed(x, w, xtw, work);
  const Index padded = padded_columns<T>(x.columns);
  const Index strips = (padded + strip_columns<T> - 1) / strip_columns<T>;
  const Index first_block =
      std::min(padded, kernels::project_block_columns<T>);  // the next tile begins with a projection of so many columns
  const Index share = (first_block + strips - 1) / strips * x.rows;
  for (Index begin = 0; begin < padded; begin += strip_columns<T>) {
    const T* const next = x.next == nullptr ? nullptr : x.next + begin / strip_columns<T> * share;
    accumulate_strip(w, x.packed + begin * x.rows, begin, strip_width<T>(begin, x.columns), xtw, next, share);
  }
}

template <Scalar T>
void TileOperations<DenseTile<T>>::project_weighted(const DenseTile<T>& x, MatrixView<const T> w,
                                                    const RightFactor<T>& h, const ElementWeights& weights,
                                                    MatrixView<T> numerator, MatrixView<T> denominator,
                                                    Workspace<T>& work) {
  if (h.gram() != nullptr) {
    FrobeniusDenominators<T> denominators(x, h);
    if (denominators.few_seem_missing()) {
      project(x, h, numerator, work);  // before the lists: x comes into the cache strip by strip
      if (denominators.few_are_missing()) return denominators.project(w, denominator, work);
    }
  }
  const Index padded = padded_columns<T>(x.columns);
  const Index block = std::min(padded, weighted_block_columns<T>);
  const bool counted = h.has_subset_sums() && weights.counts_observed();
  const bool with_denominator = weights.with_denominator && !counted;
  const Index stride = padded_columns<T>(x.rows);
  T* const q = work.reserve(2 * block * x.rows + (counted ? stride * w.columns : 0));
  T* const r = with_denominator ? q + block * x.rows : nullptr;
  T* const sums = q + 2 * block * x.rows;  // the denominator transposed
  set_zero(numerator);
  if (with_denominator) set_zero(denominator);
  if (counted) std::fill_n(sums, stride * w.columns, T{0});
  for (Index first = 0; first < padded; first += block) {
    const Index last = std::min(padded, first + block);
    for (Index begin = first; begin < last; begin += strip_columns<T>) {
      const Index width = strip_width<T>(begin, x.columns);
      T* const q_strip = q + (begin - first) * x.rows;
      T* const r_strip = with_denominator ? r + (begin - first) * x.rows : nullptr;
      const T* const x_strip = x.packed + begin * x.rows;
      multiply_one_strip(w, h, begin, width, q_strip);
      kernels::vectors<T>().weigh(x.observed, x_strip, q_strip, x.rows * width, weights, q_strip, r_strip);
      if (counted)
        kernels::subsets<T>().add_to_rows(x.observed, x_strip, x.rows, width, h.subset_sums(begin), w.columns, sums,
                                          stride);
      zero_padding(q_strip, x.rows, begin, width, x.columns);
      if (with_denominator) zero_padding(r_strip, x.rows, begin, width, x.columns);
    }
    project_block(q, x.rows, h, first, last - first, numerator);
    if (with_denominator) project_block(r, x.rows, h, first, last - first, denominator);
  }
  if (counted) kernels::vectors<T>().transpose(sums, stride, w.columns, x.rows, denominator.data, denominator.stride);
}

template <Scalar T>
void TileOperations<DenseTile<T>>::accumulate_weighted(const DenseTile<T>& x, MatrixView<const T> w,
                                                       const RightFactor<T>& h, const ElementWeights& weights,
                                                       Accumulator<T>& numerator, Accumulator<T>& denominator,
                                                       Workspace<T>& work) {
  const kernels::SubsetKernels<T>& subsets = kernels::subsets<T>();
  const bool counted = h.has_subset_sums() && weights.counts_observed();
  const bool with_denominator = weights.with_denominator && !counted;
  const Index strip = strip_columns<T> * x.rows;
  const Index room = counted ? w.rows * w.columns + subsets.groups(w.rows) * w.columns * subsets.lanes : 0;
  T* const q = work.reserve(2 * strip + room);
  T* const r = with_denominator ? q + strip : nullptr;
  T* const sums = q + 2 * strip + w.rows * w.columns;
  if (counted) {
    const MatrixView<const T> weighted = weighted_rows(x.weights, w, q + 2 * strip);
    subsets.sums_of_subsets(weighted.data, weighted.stride, 1, w.rows, w.columns, sums);
  }
  for (Index begin = 0; begin < padded_columns<T>(x.columns); begin += strip_columns<T>) {
    const Index width = strip_width<T>(begin, x.columns);
    multiply_one_strip(w, h, begin, width, q);
    const T* const x_strip = x.packed + begin * x.rows;
    kernels::vectors<T>().weigh(x.observed, x_strip, q, x.rows * width, weights, q, r);
    if (counted)
      subsets.add_to_columns(x.observed, x_strip, x.rows, width, sums, w.columns,
                             denominator.data() + begin * w.columns);
    for (Index i = 0; x.weights != nullptr && i < x.rows; ++i) {
      scale(x.weights[i], width, q + i * width);
      if (with_denominator) scale(x.weights[i], width, r + i * width);
    }
    accumulate_strip<T>(w, q, begin, width, numerator);
    if (with_denominator) accumulate_strip<T>(w, r, begin, width, denominator);
  }
}

template <Scalar T>
double TileOperations<DenseTile<T>>::divergence_sum(const DenseTile<T>& x, MatrixView<const T> w,
                                                    const RightFactor<T>& h, const DivergenceTerms& terms,
                                                    Workspace<T>& work) {
  if (!x.is_plain()) return divergence_of_observed(x, w, h, terms, work);
  T* const y = work.reserve(strip_columns<T> * x.rows);
  double sum = 0;
  for (Index begin = 0; begin < padded_columns<T>(x.columns); begin += strip_columns<T>) {
    const Index width = strip_width<T>(begin, x.columns);
    const T* const x_strip = x.packed + begin * x.rows;
    multiply_one_strip(w, h, begin, width, y);
    if (begin + width <= x.columns) {
      sum += kernels::vectors<T>().divergence_terms(x_strip, y, x.rows * width, terms);
    } else {  // padding is no element of X
      for (Index i = 0; i < x.rows; ++i)
        sum += kernels::vectors<T>().divergence_terms(x_strip + i * width, y + i * width, x.columns - begin, terms);
    }
  }
  return sum;
}

template <Scalar T>
std::optional<double> TileOperations<DenseTile<T>>::divergence_by_projection(const DenseTile<T>& x,
                                                                             MatrixView<const T> w,
                                                                             MatrixView<const T> p,
                                                                             const double* h_gram, Workspace<T>& work) {
  std::vector<double> w_gram(static_cast<std::size_t>(w.columns * w.columns), 0.0);
  add_gram(w, w_gram.data(), work);
  const double x_norm = kernels::vectors<T>().sum_of_squares(x.packed, x.rows * padded_columns<T>(x.columns));
  const double distance = x_norm - 2 * dot(p, w) + std::inner_product(w_gram.begin(), w_gram.end(), h_gram, 0.0);
  if (!(distance >= least_difference * x_norm)) return std::nullopt;
  return distance / 2;
}

template struct TileOperations<DenseTile<float>>;
template struct TileOperations<DenseTile<double>>;

}  // namespace scanmf
