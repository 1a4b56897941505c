#include "linalg/gram_of_rows.hpp"

#include <algorithm>
#include <numeric>

namespace scanmf {
namespace {

/// The upper triangle, in another layout.
template <Scalar T>
void change_layout(const double* exact, Index k, T* values) {
  const GramLayout<double> from(k);
  const GramLayout<T> to(k);
  for (Index a = 0; a < k; ++a)
    for (Index b = a; b < k; ++b) values[to.at(a, b)] = static_cast<T>(exact[from.at(a, b)]);
}

/// Whether so little is left of some element of the diagonal that its difference has lost digits.
template <Scalar T>
bool has_lost_digits(const T* full, const T* sums, std::span<const Index> diagonal) {
  constexpr T enough = T{1} / 16;
  return std::ranges::any_of(diagonal, [&](Index at) { return sums[at] < enough * full[at]; });
}

}  // namespace

template <Scalar T>
FullGram<T>::FullGram(Index k)
    : exact(static_cast<std::size_t>(GramLayout<double>(k).size()), 0.0),
      values(static_cast<std::size_t>(GramLayout<T>(k).size()), T{0}) {}

template <Scalar T>
FullGram<T>::FullGram(std::span<const double> gram, Index k) : FullGram(k) {
  const GramLayout<double> layout(k);
  for (Index a = 0; a < k; ++a)
    for (Index b = a; b < k; ++b)
      exact[static_cast<std::size_t>(layout.at(a, b))] = gram[static_cast<std::size_t>(a * k + b)];
  change_layout(exact.data(), k, values.data());
}

template <Scalar T>
void unpack_gram(const T* sums, Index k, T* gram) {
  const GramLayout<T> layout(k);
  const Index stride = padded_components<T>(k);
  for (Index a = 0; a < k; ++a) {
    const Index begin = a < layout.whole() ? a : 0;
    const T* const row = sums + layout.row(a) - layout.first_column(a);
    for (Index b = begin; b < std::min(k, layout.first_column(a) + layout.length(a)); ++b)
      gram[a * stride + b] = gram[b * stride + a] = row[b];
  }
}

template <Scalar T>
GramOfRows<T>::GramOfRows(Index k) : k_(k) {
  for (Index c = 0; c < k; ++c) diagonal_.push_back(GramLayout<T>(k).at(c, c));
}

template <Scalar T>
kernels::ListedRows<double> GramOfRows<T>::in_double(const kernels::ListedRows<T>& rows) {
  const Index stride = padded_columns<double>(k_);
  const auto half = static_cast<std::size_t>(rows.count * stride);
  rows_.resize(2 * half);
  double* const a = rows_.data();
  double* const b = a + half;
  for (Index q = 0; q < rows.count; ++q) {
    const Index at = rows.list[q] * rows.stride;
    std::copy_n(rows.a + at, k_, a + q * stride);
    std::copy_n(rows.b + at, k_, b + q * stride);
  }
  if (static_cast<Index>(numbers_.size()) < rows.count) {
    numbers_.resize(static_cast<std::size_t>(rows.count));
    std::iota(numbers_.begin(), numbers_.end(), 0);
  }
  return {a, b, stride, numbers_.data(), rows.count};
}

template <Scalar T>
void GramOfRows<T>::sum_exactly(const kernels::ListedRows<T>& rows, FullGram<T>& full) {
  kernels::grams<double>().sum_of_listed(in_double(rows), k_, full.exact.data());
  change_layout(full.exact.data(), k_, full.values.data());
}

template <Scalar T>
void GramOfRows<T>::without(const kernels::ListedRows<T>& rows, const FullGram<T>& full, T* sums) {
  kernels::grams<T>().without_listed(rows, k_, full.values.data(), sums);
  if (has_lost_digits<T>(full.values.data(), sums, diagonal_)) without_exactly(rows, full, sums);
}

template <Scalar T>
void GramOfRows<T>::without_exactly(const kernels::ListedRows<T>& rows, const FullGram<T>& full, T* sums) {
  exact_.resize(full.exact.size());
  kernels::grams<double>().without_listed(in_double(rows), k_, full.exact.data(), exact_.data());
  const GramLayout<double> layout(k_);
  for (Index c = 0; c < k_; ++c) {
    const auto at = static_cast<std::size_t>(layout.at(c, c));
    if (is_rounding(full.exact[at], exact_[at])) exact_[at] = 0;
  }
  change_layout(exact_.data(), k_, sums);
}

template struct FullGram<float>;
template struct FullGram<double>;
template void unpack_gram(const float*, Index, float*);
template void unpack_gram(const double*, Index, double*);
template class GramOfRows<float>;
template class GramOfRows<double>;

}  // namespace scanmf
