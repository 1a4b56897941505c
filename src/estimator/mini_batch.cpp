#include <cmath>
#include <limits>

#include "estimator/nmf.hpp"
#include "estimator/transform_problem.hpp"
#include "scanmf/linalg/tile_loop.hpp"

namespace scanmf {
namespace {

constexpr double undefined = std::numeric_limits<double>::quiet_NaN();

/// The two stopping rules of MiniBatchNMF, after a step that is not the first one. weight: b_R/(m + 1).
bool cost_stops(StopState& state, const Parameters& parameters, double cost, double weight, double h_change) {
  const double a = std::min(1.0, weight);
  state.smoothed = std::isnan(state.smoothed) ? cost : state.smoothed * (1 - a) + cost * a;
  if (parameters.tol > 0 && h_change <= parameters.tol) return true;
  if (state.smoothed < state.best) {
    state.best = state.smoothed;
    state.without_improvement = 0;
  } else {
    ++state.without_improvement;
  }
  return parameters.max_no_improvement && state.without_improvement >= *parameters.max_no_improvement;
}

template <Scalar T>
std::span<const T> elements_of(const DenseTile<T>& x) {
  return {x.packed, static_cast<std::size_t>(x.rows * padded_columns<T>(x.columns))};  // padding is zero
}

template <Scalar T>
std::span<const T> elements_of(const CsrTile<T>& x) {
  return {x.value + x.row_begin[0], static_cast<std::size_t>(x.row_begin[x.rows] - x.row_begin[0])};
}

/// Collective. Mean of the rows of one batch of X.
template <Scalar T>
double batch_mean(PassRunner<T>& runner, Index batch) {
  DataSource<T>& x = runner.source();
  if (x.partition().batches() == 1) return x.summary().mean(x.shape());
  double sum = 0;
  runner.communicator().agree([&] {
    x.visit(batch, [&](const Block<T>& block) {
      std::vector<double> sums(static_cast<std::size_t>(block.tiles()));
      for_each_tile(block, [&](int, Index row, const auto& tile) {
        sums[static_cast<std::size_t>(row / block.tile_rows())] = element_totals<T>(elements_of(tile), T{0}).sum;
      });
      for (const double part : sums) sum += part;
    });
  });
  sum = runner.communicator().sum(sum);
  return sum / (static_cast<double>(x.partition().batch(batch).size()) * static_cast<double>(x.shape().columns));
}

/// Collective. Streamed X is read twice at most: once where X·Hᵀ is all that the updates need. False: stopped.
template <Scalar T>
bool solve_W(PassRunner<T>& runner, TransformProblem<T>& problem, MatrixView<T> W, const RunControl& control = {}, const PassSteps& steps = {},
             const std::function<bool()>& stop_requested = {}) {
  if (runner.source().in_memory() || problem.rule().beta() == 2) return transform_by_passes(runner, problem, W, control, steps).has_value();
  const BlockOfW<T> keep = [&](Index local_row, Index, MatrixView<const T> rows) {
    std::copy_n(rows.data, rows.rows * rows.columns, W.row(local_row));
  };
  return transform_by_blocks(runner, problem, keep, control, stop_requested).has_value();
}

/// Entries of W below the threshold of small factors become 0.
template <Scalar T>
void zero_small(MatrixView<T> w) {
  for (Index i = 0; i < w.rows; ++i)
    for (Index c = 0; c < w.columns; ++c)
      if (w(i, c) < static_cast<T>(zero_threshold)) w(i, c) = T{0};
}

/// Steps of MiniBatchNMF: the state that fit and partial_fit share.
template <Scalar T>
class MiniBatchSteps {
 public:
  MiniBatchSteps(PassRunner<T>& runner, FittedModel<T>& model, bool fresh)
      : runner_(runner),
        model_(model),
        fresh_(fresh),
        rule_(runner.source().kind(), runner.source().shape().columns, model.n_components, model.parameters.beta_loss, {}),
        solver_(runner.source().kind(), runner.source().shape().columns, model.n_components, model.parameters.beta_loss, {}, false),
        means_(static_cast<std::size_t>(runner.source().partition().batches()), undefined),
        scratch_W_(fresh ? Matrix<T>(runner.source().local_rows(), model.n_components) : Matrix<T>()) {
    rule_.set_accumulators(&model.accumulators);
    runner.set_H(rule_, model.factors.Ht);
  }

  /// Collective. One step on the rows of a batch; returns the batch cost.
  double step(Index batch) {
    const Parameters& p = model_.parameters;
    const Range rows = runner_.source().partition().batch(batch);
    const Penalties penalties = penalties_of(p.alpha_W, p.effective_alpha_H(), p.l1_ratio, runner_.source().shape().columns, rows.size());
    const MatrixView<T> W = fresh_ ? scratch_W_.view() : model_.factors.W.view();
    rule_.set_penalties(penalties);
    if (fresh_) {
      solver_.set_penalties(penalties);
      runner_.set_H(solver_, model_.factors.Ht);
      TransformProblem<T> problem(solver_, {batch, batch + 1}, mean_of(batch), p.tol, p.fresh_restarts_max_iter);
      solve_W(runner_, problem, W);
      const RowPartition& partition = runner_.source().partition();
      const int rank = runner_.communicator().rank();
      if (p.beta_loss < 1) zero_small(W.middle_rows({partition.local_begin(batch, rank), partition.local_begin(batch + 1, rank)}));
    }
    runner_.over(rule_, {batch, batch + 1}, W, {.update_W = !fresh_, .accumulate = true, .divergence = true});
    const double cost = (rule_.divergence() + penalties.l1_W * rule_.sum(PassSum::w_sum) + penalties.l1_H * rule_.h_sum() +
                         penalties.l2_W * rule_.sum(PassSum::norm_squared) + penalties.l2_H * rule_.h_norm_squared()) /
                        static_cast<double>(rows.size());
    stop_requested_ = rule_.sum(PassSum::stop_requested) > 0;
    checkpoint_due_ = rule_.sum(PassSum::checkpoint_due) > 0;
    const HUpdate update = runner_.update_H(rule_, model_.factors.Ht);
    h_change_ = std::sqrt(update.change_squared) / std::sqrt(rule_.h_norm_squared());
    model_.n_steps = model_.n_steps.value_or(0) + 1;
    require_finite(update.violation, "factors", "mini-batch step", *model_.n_steps);
    require_finite(cost, "cost", "mini-batch step", *model_.n_steps);
    return cost;
  }

  bool stop_requested() const { return stop_requested_; }
  bool checkpoint_due() const { return checkpoint_due_; }
  /// ‖H_new − H_old‖ / ‖H_new‖ of the last step.
  double h_change() const { return h_change_; }
  Multiplicative<T>& solver() { return solver_; }

 private:
  /// Collective. Of a batch of X; read once.
  double mean_of(Index batch) {
    double& mean = means_[static_cast<std::size_t>(batch)];
    if (std::isnan(mean)) mean = batch_mean(runner_, batch);
    return mean;
  }

  PassRunner<T>& runner_;
  FittedModel<T>& model_;
  bool fresh_;
  Multiplicative<T> rule_;
  Multiplicative<T> solver_;
  std::vector<double> means_;  // of the batches, as far as known
  Matrix<T> scratch_W_;
  double h_change_ = undefined;
  bool stop_requested_ = false;
  bool checkpoint_due_ = false;
};

/// A = H, B = 1, ρ = forget_factor^(b/m), on this rank's slice.
template <Scalar T>
void start_accumulators(PassRunner<T>& runner, FittedModel<T>& model) {
  const Range slice = runner.slice();
  const Index m = runner.source().shape().rows;
  const Index batch_rows = std::min(model.parameters.batch_size, m);
  model.accumulators.A = Matrix<T>(slice.size(), model.n_components);
  model.accumulators.B = Matrix<T>(slice.size(), model.n_components, T{1});
  std::copy_n(model.factors.Ht.row(slice.begin), slice.size() * model.n_components, model.accumulators.A.data());
  model.accumulators.rho = std::pow(model.parameters.forget_factor, static_cast<double>(batch_rows) / static_cast<double>(m));
  model.n_steps = 0;
}

/// Collective. After the last step of fresh restarts: all of W for the final H. It can be stopped and gone on with; where each block is solved to the
/// end, it then begins anew.
template <Scalar T>
void solve_final_W(PassRunner<T>& runner, Multiplicative<T>& rule, const FitControl<T>& control, FittedModel<T>& model) {
  const Parameters& parameters = model.parameters;
  const Shape shape = runner.source().shape();
  rule.set_penalties(penalties_of(parameters.alpha_W, parameters.effective_alpha_H(), parameters.l1_ratio, shape.columns, shape.rows));
  runner.set_H(rule, model.factors.Ht);
  TransformProblem<T> problem(rule, runner.all_batches(), runner.source().summary().mean(shape), parameters.tol,
                              parameters.effective_transform_max_iter());
  RunControl counting_on;
  if (control.on_progress)
    counting_on.on_progress = [&](Progress now) {
      now.iteration += *model.n_steps;
      now.max_iteration += *model.n_steps;
      control.on_progress(now);
    };
  const auto after_pass = [&](Index updates) {
    model.stop.W_updates = updates;
    model.stopped = rule.sum(PassSum::stop_requested) > 0;
    if (control.save && (model.stopped || rule.sum(PassSum::checkpoint_due) > 0)) control.save(model);
    return model.stopped;
  };
  if (solve_W(runner, problem, model.factors.W.view(), counting_on, {model.stop.W_updates, after_pass}, control.stop_requested) || model.stopped)
    return;
  model.stopped = true;  // between two blocks
  if (control.save) control.save(model);
}

}  // namespace

template <Scalar T>
void fit_mini_batch(PassRunner<T>& runner, const FitControl<T>& control, FittedModel<T>& model) {
  const Parameters& parameters = model.parameters;
  const RowPartition& rows = runner.source().partition();
  const Index per_pass = rows.batches();
  const Index limit = parameters.max_iter * per_pass;
  if (!model.n_steps) start_accumulators(runner, model);
  MiniBatchSteps<T> steps(runner, model, parameters.fresh_restarts);
  while (*model.n_steps < limit && !model.converged && !model.stopped) {
    const Timer timer;
    const Index batch = *model.n_steps % per_pass;
    const double cost = steps.step(batch);
    double h_change = undefined;
    if (*model.n_steps > 1) {
      h_change = steps.h_change();
      const double weight = static_cast<double>(rows.batch(batch).size()) / static_cast<double>(rows.rows() + 1);
      model.converged = cost_stops(model.stop, parameters, cost, weight, h_change);
    }
    model.n_iter = (*model.n_steps + per_pass - 1) / per_pass;
    model.stop.W_updates = 0;
    model.history.append({{"iteration", static_cast<double>(*model.n_steps)},
                          {"seconds", timer.seconds()},
                          {"cost", cost},
                          {"smoothed_cost", model.stop.smoothed},
                          {"h_change", h_change}});
    if (control.on_progress) control.on_progress({*model.n_steps, limit, timer.seconds(), "cost", cost, &model.history});
    end_iteration(steps.stop_requested(), steps.checkpoint_due(), control, model);
  }
  if (parameters.fresh_restarts && !model.stopped) solve_final_W(runner, steps.solver(), control, model);
}

template <Scalar T>
void partial_fit(DataSource<T>& x, FittedModel<T>& model, const RunControl& control) {
  PassRunner<T> runner(x, model.n_components, FitControl<T>(control));
  if (!model.n_steps) start_accumulators(runner, model);
  MiniBatchSteps<T> steps(runner, model, true);
  const Timer timer;
  const double cost = steps.step(0);
  if (control.on_progress) control.on_progress({*model.n_steps, *model.n_steps, timer.seconds(), "cost", cost});
}

template void fit_mini_batch(PassRunner<float>&, const FitControl<float>&, FittedModel<float>&);
template void fit_mini_batch(PassRunner<double>&, const FitControl<double>&, FittedModel<double>&);
template void partial_fit(DataSource<float>&, FittedModel<float>&, const RunControl&);
template void partial_fit(DataSource<double>&, FittedModel<double>&, const RunControl&);

}  // namespace scanmf
