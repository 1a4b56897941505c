#include "scanmf/solver/coordinate_descent.hpp"

#include <numeric>

#include "scanmf/linalg/repeated_sweeps.hpp"

namespace scanmf {
namespace {

std::vector<Index> natural_order(Index count) {
  std::vector<Index> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), Index{0});
  return order;
}

/// gram + l2·I, in the type of the data.
template <Scalar T>
void penalise(std::span<const double> gram, Index k, double l2, std::vector<T>& result) {
  result.resize(gram.size());
  for (Index a = 0; a < k; ++a) {
    for (Index b = 0; b < k; ++b) {
      const auto at = static_cast<std::size_t>(a * k + b);
      result[at] = static_cast<T>(gram[at] + (a == b ? l2 : 0.0));
    }
  }
}

}  // namespace

template <Scalar T>
double sweep_as_often(MatrixView<T> f, MatrixView<const T> p, double l1, const T* gram, const Index* order, Index most,
                      Workspace<T>& work, double* of_rows) {
  if (most > 1) return sweep_rows_repeatedly<T>(f, p, l1, gram, order, most, work, of_rows);
  return sweep_rows<T>(f, p, l1, gram, order, work, of_rows);
}

template <Scalar T>
CoordinateDescentRows<T>::CoordinateDescentRows(Index n_components, const Penalties& penalties, Index most_sweeps)
    : components_(n_components),
      penalties_(penalties),
      most_sweeps_(most_sweeps),
      natural_order_(natural_order(n_components)) {}

template <Scalar T>
void CoordinateDescentRows<T>::set_H(const FixedH<T>& h) {
  penalise(h.factor_sums(), components_, penalties_.l2_W, gram_);
}

template <Scalar T>
const Index* CoordinateDescentRows<T>::order_of(Index number) const {
  const auto at = static_cast<std::size_t>(number - 1);
  return at < orders_.size() ? orders_[at].data() : natural_order_.data();
}

template <Scalar T>
double CoordinateDescentRows<T>::update(MatrixView<T> w, const RowProducts<T>& products, Index number,
                                        Workspace<T>& work) const {
  return sweep_as_often<T>(w, products.numerator, penalties_.l1_W, gram_.data(), order_of(number), most_sweeps(), work);
}

template <Scalar T>
CoordinateDescentFactor<T>::CoordinateDescentFactor(Index n_components, const Penalties& penalties, Index most_sweeps)
    : components_(n_components),
      penalties_(penalties),
      most_sweeps_(most_sweeps),
      order_(natural_order(n_components)) {}

template <Scalar T>
void CoordinateDescentFactor<T>::update(MatrixView<T> ht_slice, Range slice, const Statistics<T>& statistics,
                                        double* violations) {
  penalise(statistics.W_sums, components_, penalties_.l2_H, gram_);
  const MatrixView<const T> p = statistics.numerator.middle_rows(slice);
  const Team team;
  work_.resize(static_cast<std::size_t>(team.size()));
  team.in_groups(slice.size(), row_group, [&](int thread, Range rows) {
    sweep_as_often<T>(ht_slice.middle_rows(rows), p.middle_rows(rows), penalties_.l1_H, gram_.data(), order_.data(),
                      most_sweeps(), work_[static_cast<std::size_t>(thread)], violations + rows.begin);
  });
}

template double sweep_as_often(MatrixView<float>, MatrixView<const float>, double, const float*, const Index*, Index,
                               Workspace<float>&, double*);
template double sweep_as_often(MatrixView<double>, MatrixView<const double>, double, const double*, const Index*, Index,
                               Workspace<double>&, double*);
template class CoordinateDescentRows<float>;
template class CoordinateDescentRows<double>;
template class CoordinateDescentFactor<float>;
template class CoordinateDescentFactor<double>;

}  // namespace scanmf
