#pragma once

#include "estimator/nmf.hpp"
#include "scanmf/solver/extrapolation.hpp"

namespace scanmf {

/// What an extrapolated descent goes on with beside its factors: how far it extrapolates, and by which objective it
/// judges (Ang & Gillis 2019).
struct ExtrapolationState {
  double momentum = 0.5;         // b
  double momentum_before = 0.5;  // of the pass before
  double momentum_cap = 1;
  double start_momentum = 0;                                   // of W_y where the next pass begins
  double objective = std::numeric_limits<double>::infinity();  // of the accepted pair
  bool restarted =
      true;            // what the next pass finds is accepted: a plain step from the accepted pair, which cannot rise
  bool exact = false;  // how the objective is formed: since its gains came near the rounding of the cheap way

  void grow();
  void shrink();
  void save(StateNumbers& numbers) const;
  void load(const StateNumbers& numbers);
};

/// NMF with solver cd and acceleration by extrapolation. A pass:
///
///     W_n from W_y, with H_y fixed
///     F(W_n, H_y) rose:  back to the accepted pair (W, H), with a smaller b
///     else:              (W_n, H_y) is accepted;  W_y = max(0, W_n + b·(W_n − W));  H_n from H_y with the sums of W_y;
///                        H_y = max(0, H_n + b·(H_n − the H_n before))
///
/// The model's factors are always the accepted pair, the best one so far.
template <Scalar T>
class ExtrapolatedIteration final : public CoordinateDescentIteration<T> {
 public:
  /// Collective.
  ExtrapolatedIteration(PassRunner<T>& runner, const Seed& seed, FittedModel<T>& model);
  Visit<T> begin(PassRunner<T>& runner) override;
  std::optional<IterationEnd> end(PassRunner<T>& runner) override;
  void save_state() override;
  void finish(PassRunner<T>& runner) override;

 private:
  void make_arrays(PassRunner<T>& runner);
  /// Of the pass.
  double objective(PassRunner<T>& runner) const;
  /// By which it may be wrong, as it is formed.
  double rounding_of(double objective) const;
  /// Collective. Returns the violation of the iteration.
  double accept(PassRunner<T>& runner, double objective);
  /// Collective.
  void restart(PassRunner<T>& runner);
  MatrixView<T> copy_of_slice(StateArray<T>& array, const Matrix<T>& Ht);

  ExtrapolationState state_;
  Range slice_;
  Matrix<T> Ht_y_;
};

/// The arrays that an extrapolated descent keeps in the model's state, in their order; the last one has the rows of W.
inline constexpr const char* extrapolation_arrays[] = {"H_y", "H_before", "W_before"};

}  // namespace scanmf
