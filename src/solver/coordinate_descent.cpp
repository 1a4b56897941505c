#include "scanmf/solver/coordinate_descent.hpp"

#include <numeric>

namespace scanmf {
namespace {

std::vector<Index> natural_order(Index count) {
  std::vector<Index> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), Index{0});
  return order;
}

/// gram + l2·I, in the type of the data.
template <Scalar T>
std::vector<T> penalised(const double* gram, Index k, double l2) {
  std::vector<T> result(static_cast<std::size_t>(k * k));
  for (Index a = 0; a < k; ++a)
    for (Index b = 0; b < k; ++b) result[static_cast<std::size_t>(a * k + b)] = static_cast<T>(gram[a * k + b] + (a == b ? l2 : 0.0));
  return result;
}

}  // namespace

template <Scalar T>
CoordinateDescent<T>::CoordinateDescent(StorageKind kind, Index columns, Index n_components, const Penalties& penalties)
    : UpdateRule<T>(kind, columns, n_components, 2),
      penalties_(penalties),
      w_order_(natural_order(n_components)),
      h_order_(natural_order(n_components)) {}

template <Scalar T>
void CoordinateDescent<T>::set_orders(std::vector<Index> w_order, std::vector<Index> h_order) {
  w_order_ = std::move(w_order);
  h_order_ = std::move(h_order);
}

template <Scalar T>
void CoordinateDescent<T>::prepare() {
  w_gram_ = penalised<T>(this->h_gram().data(), this->k_, penalties_.l2_W);
}

template <Scalar T>
template <class Tile>
void CoordinateDescent<T>::sweep(const Tile& x, MatrixView<T> w, Index local_row, ThreadState& state) {
  const MatrixView<const T> p = this->projection(x, local_row, state);
  const bool own_order = this->is_solving() && state.update <= static_cast<Index>(solve_orders_.size());
  const std::vector<Index>& order = own_order ? solve_orders_[static_cast<std::size_t>(state.update - 1)] : w_order_;
  this->sum_in(state.small, PassSum::violation) += sweep_rows<T>(w, p, penalties_.l1_W, w_gram_.data(), order.data(), state.work);
}

template <Scalar T>
double CoordinateDescent<T>::finish_pass(MatrixView<T> ht_slice, Range slice) {
  const std::vector<T> gram = penalised<T>(this->gram_sums(), this->k_, penalties_.l2_H);
  const MatrixView<const T> p = this->numerator_.view().middle_rows(slice);
  constexpr Index group = 96;
  const Index groups = (slice.size() + group - 1) / group;
  std::vector<double> violations(static_cast<std::size_t>(groups), 0.0);  // summed in order: independent of the number of threads
#pragma omp parallel
  {
    Workspace<T> work;
#pragma omp for schedule(static)
    for (Index g = 0; g < groups; ++g) {
      const Range rows{g * group, std::min(slice.size(), (g + 1) * group)};
      violations[static_cast<std::size_t>(g)] =
          sweep_rows<T>(ht_slice.middle_rows(rows), p.middle_rows(rows), penalties_.l1_H, gram.data(), h_order_.data(), work);
    }
  }
  return std::accumulate(violations.begin(), violations.end(), 0.0);
}

template <Scalar T>
void CoordinateDescent<T>::update_rows(const DenseTile<T>& x, MatrixView<T> w, Index local_row, ThreadState& state) {
  sweep(x, w, local_row, state);
}

template <Scalar T>
void CoordinateDescent<T>::update_rows(const CsrTile<T>& x, MatrixView<T> w, Index local_row, ThreadState& state) {
  sweep(x, w, local_row, state);
}

template class CoordinateDescent<float>;
template class CoordinateDescent<double>;

}  // namespace scanmf
