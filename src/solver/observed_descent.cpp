#include "scanmf/solver/observed_descent.hpp"

#include <algorithm>

#include "scanmf/linalg/repeated_sweeps.hpp"

namespace scanmf {
namespace {

/// Adds to the diagonal of a k × k matrix, rows of `stride` elements.
template <Scalar T>
void add_to_diagonal(double value, Index k, Index stride, T* gram) {
  for (Index a = 0; a < k; ++a) gram[a * stride + a] += static_cast<T>(value);
}

template <Scalar T>
std::size_t padded_gram_size(Index k) {
  return static_cast<std::size_t>(k * padded_components<T>(k));
}

}  // namespace

template <Scalar T>
void ObservedDescentRows<T>::set_H(const FixedH<T>& h) {
  CoordinateDescentRows<T>::set_H(h);
  h_ = &h;
  const std::span<const double> gram = h.factor_sums();
  full_gram_.resize(gram.size());
  std::ranges::transform(gram, full_gram_.begin(), [](double value) { return static_cast<T>(value); });
  of_all_columns_.emplace(gram, h.factor().components());
}

template <Scalar T>
double ObservedDescentRows<T>::update(MatrixView<T> w, const RowProducts<T>& products, Index number,
                                      Workspace<T>& work) const {
  const T* const weights = products.tile.weights();
  if (products.tile.observed() == Observed::all) {
    if (weights == nullptr || !this->penalties().has_W())
      return CoordinateDescentRows<T>::update(w, products, number, work);
    return update_by_weights(w, products, number, work);
  }
  const Index k = w.columns;
  const Penalties& penalties = this->penalties();
  std::vector<T> gram(padded_gram_size<T>(k), T{0});
  RowGrams<T> grams(products.tile, h_->factor(), *of_all_columns_);
  double violation = 0;
  for (Index i = 0; i < w.rows; ++i) {
    const double divisor = weights == nullptr ? 1.0 : penalty_divisor(weights[i]);
    grams.of_row(i, gram.data());
    add_to_diagonal(penalties.l2_W / divisor, k, padded_components<T>(k), gram.data());
    violation += sweep_row_repeatedly<T>(w.row(i), products.numerator.row(i), penalties.l1_W / divisor, gram.data(), k,
                                         this->order_of(number), this->most_sweeps(), work);
  }
  return violation;
}

template <Scalar T>
double ObservedDescentRows<T>::update_by_weights(MatrixView<T> w, const RowProducts<T>& products, Index number,
                                                 Workspace<T>& work) const {
  const Penalties& penalties = this->penalties();
  double violation = 0;
  for_runs_of_weights(products.tile.weights(), w.rows, [&](Range rows, double divisor) {
    std::vector<T> gram(full_gram_);
    add_to_diagonal(penalties.l2_W / divisor, w.columns, w.columns, gram.data());
    violation += sweep_as_often<T>(w.middle_rows(rows), products.numerator.middle_rows(rows), penalties.l1_W / divisor,
                                   gram.data(), this->order_of(number), this->most_sweeps(), work);
  });
  return violation;
}

template <Scalar T>
void ObservedDescentFactor<T>::update(MatrixView<T> ht_slice, Range slice, const Statistics<T>& statistics,
                                      double* violations) {
  if (statistics.grams.rows == 0) return CoordinateDescentFactor<T>::update(ht_slice, slice, statistics, violations);
  const Index k = ht_slice.columns;
  const Team team;
  std::vector<std::vector<T>> grams(static_cast<std::size_t>(team.size()),
                                    std::vector<T>(padded_gram_size<T>(k), T{0}));
  std::vector<Workspace<T>> work(static_cast<std::size_t>(team.size()));
  team.in_groups(slice.size(), row_group, [&](int thread, Range columns) {
    T* const gram = grams[static_cast<std::size_t>(thread)].data();
    for (Index j = columns.begin; j < columns.end; ++j) {
      const Index column = slice.begin + j;
      unpack_gram(statistics.grams.row(column), k, gram);
      add_to_diagonal(this->penalties().l2_H, k, padded_components<T>(k), gram);
      violations[j] =
          sweep_row_repeatedly<T>(ht_slice.row(j), statistics.numerator.row(column), this->penalties().l1_H, gram, k,
                                  this->order(), this->most_sweeps(), work[static_cast<std::size_t>(thread)]);
    }
  });
}

template class ObservedDescentRows<float>;
template class ObservedDescentRows<double>;
template class ObservedDescentFactor<float>;
template class ObservedDescentFactor<double>;

}  // namespace scanmf
