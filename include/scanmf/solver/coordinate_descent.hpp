#pragma once

#include "scanmf/solver/update_rule.hpp"

namespace scanmf {

/// Coordinate descent for the Frobenius loss, also known as HALS (Cichocki & Phan, IEICE Trans. Fundam. E92-A(3), 2009), with scikit-learn's order of
/// operations.
template <Scalar T>
class CoordinateDescent final : public UpdateRule<T> {
 public:
  CoordinateDescent(StorageKind kind, Index columns, Index n_components, const Penalties& penalties);

  /// The order in which the next sweeps of W and of H take the components; the natural order until it is set.
  void set_orders(std::vector<Index> w_order, std::vector<Index> h_order);
  /// The orders of all updates of a solve(), the first one's first; those after the last have the natural order.
  void set_solve_orders(std::vector<std::vector<Index>> orders) { solve_orders_ = std::move(orders); }

  double finish_pass(MatrixView<T> ht_slice, Range slice) override;

 private:
  using typename UpdateRule<T>::ThreadState;
  void prepare() override;
  void update_rows(const DenseTile<T>& x, MatrixView<T> w, Index local_row, ThreadState& state) override;
  void update_rows(const CsrTile<T>& x, MatrixView<T> w, Index local_row, ThreadState& state) override;
  template <class Tile>
  void sweep(const Tile& x, MatrixView<T> w, Index local_row, ThreadState& state);

  Penalties penalties_;
  std::vector<Index> w_order_;
  std::vector<Index> h_order_;
  std::vector<std::vector<Index>> solve_orders_;
  std::vector<T> w_gram_;  // HHᵀ + l2_W·I
};

}  // namespace scanmf
