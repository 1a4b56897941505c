#pragma once

#include <vector>

#include "scanmf/solver/factor_update.hpp"
#include "scanmf/solver/penalties.hpp"
#include "scanmf/solver/row_update.hpp"

namespace scanmf {

// Multiplicative updates for any loss (Févotte & Idier, Neural Computation 23(9), 2011): F ← F ∘ (N / D)^γ.

template <Scalar T>
class MultiplicativeRows final : public RowUpdate<T> {
 public:
  /// zero_small: entries of W below the loss's threshold become 0 after an update.
  MultiplicativeRows(const Loss& loss, Index n_components, const Penalties& penalties, bool zero_small = true);

  /// The penalties of the updates that follow: mini-batches differ in their number of rows.
  void set_penalties(const Penalties& penalties) { penalties_ = penalties; }

  void set_H(const FixedH<T>& h) override;
  double update(MatrixView<T> w, const RowProducts<T>& products, Index number, Workspace<T>& work) const override;

 private:
  Loss loss_;
  Penalties penalties_;
  double zero_below_;
  RightFactor<T> h_gram_;  // HHᵀ for W·(HHᵀ)
  Matrix<T> h_sums_;       // 1 × k: row sums of H
};

template <Scalar T>
class MultiplicativeFactor final : public FactorUpdate<T> {
 public:
  MultiplicativeFactor(const Loss& loss, const Penalties& penalties) : loss_(loss), penalties_(penalties) {}
  void update(MatrixView<T> ht_slice, Range slice, const Statistics<T>& statistics, double* violations) override;

 private:
  Loss loss_;
  Penalties penalties_;
};

/// The accumulators of mini-batch updates, for this rank's slice of the columns of X (slice × k, as Ht). They belong to
/// the fit.
template <Scalar T>
struct MiniBatchAccumulators {
  MatrixView<T> A;
  MatrixView<T> B;
  double rho = 0;  // forget factor of one batch
};

/// The mini-batch form (Lefèvre, Bach & Févotte 2011, as in scikit-learn's MiniBatchNMF): A ← ρA + N∘H^(1/γ), B ← ρB +
/// D, H ← (A/B)^γ.
template <Scalar T>
class MiniBatchFactor final : public FactorUpdate<T> {
 public:
  MiniBatchFactor(const Loss& loss, const MiniBatchAccumulators<T>& accumulators)
      : loss_(loss), accumulators_(accumulators) {}
  /// The penalties of the updates that follow: mini-batches differ in their number of rows.
  void set_penalties(const Penalties& penalties) { penalties_ = penalties; }
  /// Columns of which a batch observes nothing keep their H.
  void update(MatrixView<T> ht_slice, Range slice, const Statistics<T>& statistics, double* violations) override;
  /// Local. A batch passes of which nothing counts: no update, but what came before it is that much older.
  void forget();

 private:
  Loss loss_;
  Penalties penalties_;
  MiniBatchAccumulators<T> accumulators_;
};

}  // namespace scanmf
