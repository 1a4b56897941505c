#pragma once

#include "scanmf/solver/update_rule.hpp"

namespace scanmf {

/// 1/(2 − β) for β < 1, 1 for 1 ≤ β ≤ 2, 1/(β − 1) for β > 2: the exponent for which multiplicative updates never raise the
/// β-divergence (Févotte & Idier, Neural Computation 23(9), 2011).
double multiplicative_exponent(double beta);

/// The accumulators of mini-batch updates, for this rank's slice of the columns of X (slice × k, as Ht).
template <Scalar T>
struct MiniBatchAccumulators {
  Matrix<T> A;
  Matrix<T> B;
  double rho = 0;  // forget factor of one batch
};

/// Multiplicative updates for any β (Févotte & Idier 2011), and with accumulators their mini-batch form (Lefèvre, Bach & Févotte 2011, as in
/// scikit-learn's MiniBatchNMF): A ← ρA + N∘H^(1/γ), B ← ρB + D, H ← (A/B)^γ.
template <Scalar T>
class Multiplicative final : public UpdateRule<T> {
 public:
  /// zero_small_W: entries of W below the threshold become 0 after an update when β < 1.
  Multiplicative(StorageKind kind, Index columns, Index n_components, double beta, const Penalties& penalties, bool zero_small_W = true);

  /// From now on H is updated through these accumulators (owned by the caller); nullptr: directly.
  void set_accumulators(MiniBatchAccumulators<T>* accumulators) { accumulators_ = accumulators; }
  /// The penalties of the next passes: mini-batches differ in their number of rows.
  void set_penalties(const Penalties& penalties) { penalties_ = penalties; }

  double finish_pass(MatrixView<T> ht_slice, Range slice) override;

 private:
  using typename UpdateRule<T>::ThreadState;
  void prepare() override;
  void update_rows(const DenseTile<T>& x, MatrixView<T> w, Index local_row, ThreadState& state) override;
  void update_rows(const CsrTile<T>& x, MatrixView<T> w, Index local_row, ThreadState& state) override;
  template <class Tile>
  void update(const Tile& x, MatrixView<T> w, Index local_row, ThreadState& state);
  /// Dn of the H update for rows [first, first + rows) of the slice, before penalties; into d (rows × k).
  void h_denominator(MatrixView<const T> ht_rows, Index first_column, const RightFactor<T>& w_gram, MatrixView<T> d, Workspace<T>& work) const;

  Penalties penalties_;
  bool zero_small_W_;
  double gamma_;
  MiniBatchAccumulators<T>* accumulators_ = nullptr;
  RightFactor<T> h_gram_factor_;  // HHᵀ for W·(HHᵀ)
  Matrix<T> h_sums_row_;          // 1 × k: row sums of H
};

}  // namespace scanmf
