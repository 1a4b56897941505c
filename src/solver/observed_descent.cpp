#include "scanmf/solver/observed_descent.hpp"

#include <algorithm>

namespace scanmf {
namespace {

/// Adds to the diagonal of a k × k matrix.
template <Scalar T>
void add_to_diagonal(double value, Index k, T* gram) {
  for (Index a = 0; a < k; ++a) gram[a * k + a] += static_cast<T>(value);
}

/// `gram` (k × k) = the full one less the triangle, or the triangle alone.
template <Scalar T>
void unpack(const T* triangle, bool alone, const T* full, Index k, T* gram) {
  for (Index a = 0; a < k; ++a) {
    const T* const row = triangle + triangle_row(k, a);
    for (Index b = a; b < k; ++b) {
      const T value = alone ? row[b - a] : full[a * k + b] - row[b - a];
      gram[a * k + b] = gram[b * k + a] = value;
    }
    if (!alone) gram[a * k + a] = left_of(full[a * k + a], row[0]);
  }
}

template <Scalar T>
std::vector<T> in_type(std::span<const double> gram) {
  std::vector<T> result(gram.size());
  std::ranges::transform(gram, result.begin(), [](double value) { return static_cast<T>(value); });
  return result;
}

}  // namespace

template <Scalar T>
void ObservedDescentRows<T>::set_H(const FixedH<T>& h) {
  CoordinateDescentRows<T>::set_H(h);
  h_ = &h;
  full_gram_ = in_type<T>(h.factor_sums());
}

template <Scalar T>
double ObservedDescentRows<T>::update(MatrixView<T> w, const RowProducts<T>& products, Index number,
                                      Workspace<T>& work) const {
  const Penalties& penalties = this->penalties();
  const T* const weights = products.tile.weights();
  const bool all = products.tile.observed() == Observed::all;
  const bool same_for_all = weights == nullptr || (penalties.l1_W == 0 && penalties.l2_W == 0);
  if (all && same_for_all) return CoordinateDescentRows<T>::update(w, products, number, work);
  const Index k = w.columns;
  std::vector<T> gram(full_gram_);
  double violation = 0;
  for (Index i = 0; i < w.rows; ++i) {
    const double divisor = weights == nullptr ? 1.0 : penalty_divisor(weights[i]);
    if (all)
      std::ranges::copy(full_gram_, gram.begin());
    else
      row_gram<T>(products.tile, i, h_->factor(), full_gram_.data(), gram.data(), work);
    add_to_diagonal(penalties.l2_W / divisor, k, gram.data());
    violation += sweep_row<T>(w.row(i), products.numerator.row(i), penalties.l1_W / divisor, gram.data(), k,
                              this->order_of(number));
  }
  return violation;
}

template <Scalar T>
double ObservedDescentFactor<T>::update(MatrixView<T> ht_slice, Range slice, const Statistics<T>& statistics) {
  if (statistics.grams.rows == 0) return CoordinateDescentFactor<T>::update(ht_slice, slice, statistics);
  const Index k = ht_slice.columns;
  const std::vector<T> full = in_type<T>(statistics.W_sums);
  const Team team;
  std::vector<std::vector<T>> grams(static_cast<std::size_t>(team.size()), std::vector<T>(full.size()));
  return this->in_groups(team, slice.size(), [&](int thread, Range columns) {
    T* const gram = grams[static_cast<std::size_t>(thread)].data();
    double violation = 0;
    for (Index j = columns.begin; j < columns.end; ++j) {
      const Index column = slice.begin + j;
      const bool few = observation_.few[static_cast<std::size_t>(column)] != 0;
      unpack(statistics.grams.row(column), few, full.data(), k, gram);
      add_to_diagonal(this->penalties().l2_H, k, gram);
      violation += sweep_row<T>(ht_slice.row(j), statistics.numerator.row(column), this->penalties().l1_H, gram, k,
                                this->order());
    }
    return violation;
  });
}

template class ObservedDescentRows<float>;
template class ObservedDescentRows<double>;
template class ObservedDescentFactor<float>;
template class ObservedDescentFactor<double>;

}  // namespace scanmf
