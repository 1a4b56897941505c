#pragma once

#include <vector>

#include "scanmf/solver/factor_update.hpp"
#include "scanmf/solver/penalties.hpp"
#include "scanmf/solver/row_update.hpp"

namespace scanmf {

// Coordinate descent for the Frobenius loss, also known as HALS (Cichocki & Phan, IEICE Trans. Fundam. E92-A(3), 2009),
// with scikit-learn's order of operations.

template <Scalar T>
class CoordinateDescentRows final : public RowUpdate<T> {
 public:
  /// most_sweeps: over the rows in one update, while their products are known; the violation is that of the first one.
  CoordinateDescentRows(Index n_components, const Penalties& penalties, Index most_sweeps = 1);

  /// The orders in which the updates with this H take the components, the first one's first; further updates take the
  /// natural order, as all do until this is called.
  void set_orders(std::vector<std::vector<Index>> orders) { orders_ = std::move(orders); }

  void set_H(const FixedH<T>& h) override;
  double update(MatrixView<T> w, const RowProducts<T>& products, Index number, Workspace<T>& work) const override;

 private:
  Index components_;
  Penalties penalties_;
  Index most_sweeps_;
  std::vector<std::vector<Index>> orders_;
  std::vector<Index> natural_order_;
  std::vector<T> gram_;  // HHᵀ + l2_W·I
};

template <Scalar T>
class CoordinateDescentFactor final : public FactorUpdate<T> {
 public:
  CoordinateDescentFactor(Index n_components, const Penalties& penalties, Index most_sweeps = 1);

  /// The order of components in the next updates; the natural order until it is set.
  void set_order(std::vector<Index> order) { order_ = std::move(order); }

  double update(MatrixView<T> ht_slice, Range slice, const Statistics<T>& statistics) override;

 private:
  Index components_;
  Penalties penalties_;
  Index most_sweeps_;
  std::vector<Index> order_;
};

}  // namespace scanmf
