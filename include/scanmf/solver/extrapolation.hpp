#pragma once

#include "scanmf/solver/factor_update.hpp"
#include "scanmf/solver/tile_work.hpp"

namespace scanmf {

// Extrapolated updates (Ang & Gillis, Neural Computation 31(2), 2019): what an update has changed, b times over, is
// where the other factor's update looks and where the next one begins:  F_y = max(0, F_n + b·(F_n − F)).

/// How far the rows of W are extrapolated in a pass: where they begin, and what H is updated with.
struct Momentum {
  double start = 0;
  double step = 0;
  bool exact = false;  // D is formed so that its digits do not cancel, however small it is
};

/// One update of the rows of a tile with what it needs for H. accepted: rows of W, before: those of the W before it,
/// each rows × k with the same stride. The update begins at W_y of these two (momentum.start) and its result W_n
/// replaces `before`. Adds to totals the violation, and D, ‖W_n‖² and ΣW_n for (W_n, H), D in full. Returns the new W_y
/// (momentum.step), which lies in scratch.
template <Scalar T>
MatrixView<const T> update_extrapolated_tile(const RowSolver<T>& solver, const TileView<T>& x,
                                             MatrixView<const T> accepted, MatrixView<T> before,
                                             const Projection<T>& projection, const Momentum& momentum, Totals& totals,
                                             TileScratch<T>& scratch);

/// An update of H that is extrapolated.
template <Scalar T>
class ExtrapolatedFactor final : public FactorUpdate<T> {
 public:
  /// before: the slice of H_n of the update before, which becomes that of this one. Both outlive this object.
  ExtrapolatedFactor(FactorUpdate<T>& update, MatrixView<T> before, double momentum)
      : update_(update), before_(before), momentum_(momentum) {}
  void update(MatrixView<T> ht_slice, Range slice, const Statistics<T>& statistics, double* violations) override;

 private:
  FactorUpdate<T>& update_;
  MatrixView<T> before_;
  double momentum_;
};

}  // namespace scanmf
