#pragma once

#include "estimator/iteration.hpp"
#include "estimator/transform_problem.hpp"

namespace scanmf {

/// Steps of MiniBatchNMF, for fit and partial_fit alike: one on the rows of a batch each.
template <Scalar T>
class MiniBatchStep {
 public:
  /// Collective. fresh: W of each batch is solved from scratch, and not kept.
  MiniBatchStep(PassRunner<T>& runner, FittedModel<T>& model, bool fresh);

  /// Collective. What the pass over a batch does; before it, W of a fresh batch is solved for.
  Visit<T> begin(PassRunner<T>& runner, Index batch);
  /// Collective. Goes on with the sums of the pass: H and the accumulators; returns the batch cost.
  double end(PassRunner<T>& runner, Index batch);

  /// ‖H_new − H_old‖ / ‖H_new‖ of the last step.
  double h_change() const { return h_change_; }
  /// Whether all of the batch of the last step was zero: W of its rows is, and H has learned nothing.
  bool batch_was_empty() const { return batch_was_empty_; }
  /// Whether any element of a batch is observed in a row of weight > 0. Of others neither H nor the stop rule learns.
  bool says_something(Index batch) const;
  /// Collective. W of all rows for the model's H, from `done` updates on. False: stopped.
  bool solve_all(PassRunner<T>& runner, const RunControl& control, const PassSteps& steps);

 private:
  Penalties penalties_of_batch(PassRunner<T>& runner, Index batch) const;
  /// Collective. Of a batch of X; read once.
  double mean_of(PassRunner<T>& runner, Index batch);
  /// Collective. W of a batch from scratch.
  void solve_batch(PassRunner<T>& runner, Index batch, const Penalties& penalties);
  MatrixView<T> W() { return fresh_ ? scratch_W_.view() : model_.factors.W.view(); }

  FittedModel<T>& model_;
  bool fresh_;
  Loss loss_;
  MultiplicativeRows<T> rows_;
  MiniBatchFactor<T> factor_;
  RowSolver<T> solver_;
  Pass<T> pass_;
  // Of fresh restarts, which leave small entries of W until the last update
  MultiplicativeRows<T> fresh_rows_;
  RowSolver<T> fresh_solver_;
  Pass<T> fresh_pass_;
  std::vector<double> means_;  // of the batches, as far as known
  Matrix<T> scratch_W_;
  double h_change_ = 0;
  bool batch_was_empty_ = false;
};

/// MiniBatchNMF's fit: a step on one batch after the other.
template <Scalar T>
class MiniBatchIteration final : public Iteration<T> {
 public:
  /// Collective.
  MiniBatchIteration(PassRunner<T>& runner, FittedModel<T>& model);
  bool is_running() const override;
  Visit<T> begin(PassRunner<T>& runner) override;
  std::optional<IterationEnd> end(PassRunner<T>& runner) override;
  void save_state() override;
  /// After the last step of fresh restarts: all of W for the final H. It can be stopped and gone on with; where each
  /// block is solved to the end, it then begins anew.
  void finish(PassRunner<T>& runner) override;

 private:
  void tell_of_empty_batch(double h_change);
  Index batch() const { return *this->model().n_steps % partition_.batches(); }

  const Parameters& parameters_;
  const RowPartition& partition_;
  Index limit_;  // steps
  MiniBatchStep<T> step_;
  CostRule rule_;
  Index W_updates_;  // of finish()
  bool told_of_empty_batch_ = false;
};

}  // namespace scanmf
