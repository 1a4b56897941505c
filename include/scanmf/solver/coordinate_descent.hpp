#pragma once

#include <algorithm>
#include <limits>
#include <vector>

#include "scanmf/core/team.hpp"
#include "scanmf/solver/factor_update.hpp"
#include "scanmf/solver/penalties.hpp"
#include "scanmf/solver/row_update.hpp"

namespace scanmf {

// Coordinate descent for the Frobenius loss, also known as HALS (Cichocki & Phan, IEICE Trans. Fundam. E92-A(3), 2009),
// with scikit-learn's order of operations.

/// One sweep over rows of a factor (sweep_rows) or several of them (sweep_rows_repeatedly).
template <Scalar T>
double sweep_as_often(MatrixView<T> f, MatrixView<const T> p, double l1, const T* gram, const Index* order, Index most,
                      Workspace<T>& work, double* of_rows = nullptr);

template <Scalar T>
class CoordinateDescentRows : public RowUpdate<T> {
 public:
  /// most_sweeps: over the rows in one update, while their products are known; the violation is that of the first one.
  CoordinateDescentRows(Index n_components, const Penalties& penalties, Index most_sweeps = 1);

  /// The orders in which the updates with this H take the components, the first one's first; further updates take the
  /// natural order, as all do until this is called.
  void set_orders(std::vector<std::vector<Index>> orders) { orders_ = std::move(orders); }

  /// No more sweeps than this in the updates that follow.
  void limit_sweeps(Index most) { limit_ = most; }

  void set_H(const FixedH<T>& h) override;
  double update(MatrixView<T> w, const RowProducts<T>& products, Index number, Workspace<T>& work) const override;

 protected:
  Index components() const { return components_; }
  const Penalties& penalties() const { return penalties_; }
  Index most_sweeps() const { return std::min(most_sweeps_, limit_); }
  /// Of the components, in update `number`.
  const Index* order_of(Index number) const;

 private:
  Index components_;
  Penalties penalties_;
  Index most_sweeps_;
  Index limit_ = std::numeric_limits<Index>::max();
  std::vector<std::vector<Index>> orders_;
  std::vector<Index> natural_order_;
  std::vector<T> gram_;  // HHᵀ + l2_W·I
};

template <Scalar T>
class CoordinateDescentFactor : public FactorUpdate<T> {
 public:
  CoordinateDescentFactor(Index n_components, const Penalties& penalties, Index most_sweeps = 1);

  /// The order of components in the next updates; the natural order until it is set.
  void set_order(std::vector<Index> order) { order_ = std::move(order); }
  /// No more sweeps than this in the updates that follow.
  void limit_sweeps(Index most) { limit_ = most; }

  void update(MatrixView<T> ht_slice, Range slice, const Statistics<T>& statistics, double* violations) override;

 protected:
  Index components() const { return components_; }
  const Penalties& penalties() const { return penalties_; }
  Index most_sweeps() const { return std::min(most_sweeps_, limit_); }
  const Index* order() const { return order_.data(); }

 private:
  Index components_;
  Penalties penalties_;
  Index most_sweeps_;
  Index limit_ = std::numeric_limits<Index>::max();
  std::vector<Index> order_;
  std::vector<T> gram_;             // WᵀW + l2_H·I
  std::vector<Workspace<T>> work_;  // one a thread
};

}  // namespace scanmf
