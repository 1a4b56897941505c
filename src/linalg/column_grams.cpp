// Gram matrices of the rows of W that belong to what is observed of each column.
#include "scanmf/linalg/column_grams.hpp"

#include <algorithm>
#include <numeric>

#include "linalg/gram_of_rows.hpp"
#include "linalg/observed_bits.hpp"

namespace scanmf {
namespace {

/// Rows of W that wait, as many as stay in the cache while columns gather them.
Index most_rows(Index stride) { return std::clamp<Index>((Index{1} << 16) / stride, 128, 1024); }

}  // namespace

template <Scalar T>
Accumulator<double> ColumnGrams<T>::sums_of(Index columns, Index components) {
  Accumulator<double> sums(StorageKind::csr, columns, triangle_size(components));
  sums.set_zero();
  return sums;
}

template <Scalar T>
void ColumnGrams<T>::begin(Index columns, Index components) {
  stride_ = padded_columns<double>(components);
  of_.resize(static_cast<std::size_t>(columns));
  components_ = components;
  rows_ = 0;
  for (auto& rows : of_) rows.clear();
}

template <Scalar T>
void ColumnGrams<T>::add(const TileView<T>& x, MatrixView<const T> w, const Observation& observation,
                         Accumulator<double>& sums) {
  observation_ = &observation;
  if (rows_ > 0 && rows_ + w.rows > most_rows(stride_)) sum_up(sums);
  x.visit([&](const auto& tile) { list(tile); });
  w_.resize(static_cast<std::size_t>((rows_ + w.rows) * stride_), 0.0);
  weights_.resize(static_cast<std::size_t>(rows_ + w.rows), 1.0);
  for (Index i = 0; i < w.rows; ++i, ++rows_) {
    double* const to = w_.data() + rows_ * stride_;
    std::copy_n(w.row(i), w.columns, to);
    std::fill(to + w.columns, to + stride_, 0.0);
    weights_[static_cast<std::size_t>(rows_)] = x.weights() == nullptr ? 1.0 : static_cast<double>(x.weights()[i]);
  }
}

template <Scalar T>
void ColumnGrams<T>::list(const DenseTile<T>& x) {
  lists_missing_ = false;
  for (Index begin = 0; begin < x.columns; begin += strip_columns<T>) {
    const std::uint64_t valid = bits_of_columns<T>(begin, x.columns);
    std::uint64_t few = 0;
    for_each_bit(valid, [&](Index j) {
      few |= static_cast<std::uint64_t>(observation_->few[static_cast<std::size_t>(begin + j)] != 0 ? 1 : 0) << j;
    });
    for (Index i = 0; i < x.rows; ++i) {
      for_each_bit(~(observed_bits(x, i, begin) ^ few) & valid, [&](Index j) {
        of_[static_cast<std::size_t>(begin + j)].push_back(static_cast<std::uint16_t>(rows_ + i));
      });
    }
  }
}

template <Scalar T>
void ColumnGrams<T>::list(const CsrTile<T>& x) {
  lists_missing_ = x.observed == Observed::not_nan;  // zeros that are not stored are observed
  for (Index i = 0; i < x.rows; ++i)
    for_each_in_row(x, i, [&](Index column, T element) {
      if (is_observed(x.observed, element) != lists_missing_)
        of_[static_cast<std::size_t>(column)].push_back(static_cast<std::uint16_t>(rows_ + i));
    });
}

template <Scalar T>
void ColumnGrams<T>::sum_up(Accumulator<double>& sums) {
  if (rows_ == 0) return;
  for (Index j = 0; j < sums.columns(); ++j) {
    std::vector<std::uint16_t>& rows = of_[static_cast<std::size_t>(j)];
    double* const triangle = sums.data() + j * padded_components<double>(sums.components());
    if (lists_missing_ && observation_->few[static_cast<std::size_t>(j)] != 0) {
      all_others(rows);
      add_column(triangle, others_);
    } else {
      add_column(triangle, rows);
    }
    rows.clear();
  }
  rows_ = 0;
}

template <Scalar T>
void ColumnGrams<T>::all_others(const std::vector<std::uint16_t>& rows) {
  others_.clear();
  auto next = rows.begin();
  for (Index i = 0; i < rows_; ++i) {
    if (next != rows.end() && *next == i)
      ++next;
    else
      others_.push_back(static_cast<std::uint16_t>(i));
  }
}

template <Scalar T>
void ColumnGrams<T>::add_column(double* triangle, const std::vector<std::uint16_t>& rows) {
  const Index k = components_;
  GramOfRows<double> sum(k, observation_->weighted, gathered_);
  for (const std::uint16_t row : rows)
    if (const double weight = weights_[row]; weight > 0) sum.push(w_.data() + row * stride_, weight);
  sum.take([&](Index a, Index b, const double* elements, Index count) {
    double* const to = triangle + triangle_row(k, a) + (b - a);
    for (Index e = 0; e < count; ++e) to[e] += elements[e];
  });
}

double column_gram_bytes(Index columns, Index components) {
  return static_cast<double>(sizeof(double)) * static_cast<double>(columns) *
         static_cast<double>(padded_components<double>(triangle_size(components)));
}

template class ColumnGrams<float>;
template class ColumnGrams<double>;

}  // namespace scanmf
