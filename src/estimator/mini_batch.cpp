#include <cmath>
#include <limits>

#include "estimator/nmf.hpp"
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
      solve_W(runner_, solver_, batch, W, batch_mean(runner_, batch), p.tol, p.fresh_restarts_max_iter, {});
      if (p.beta_loss < 1) zero_small(W);
    }
    runner_.over_batch(rule_, batch, W, {.update_W = !fresh_, .accumulate = true, .divergence = true});
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
  PassRunner<T>& runner_;
  FittedModel<T>& model_;
  bool fresh_;
  Multiplicative<T> rule_;
  Multiplicative<T> solver_;
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

}  // namespace

template <Scalar T>
void solve_W(PassRunner<T>& runner, Multiplicative<T>& rule, Index batch, MatrixView<T> W, double mean, double tol, Index limit,
             const RunControl& control) {
  const T start = std::sqrt(static_cast<T>(mean) / static_cast<T>(W.columns));
  const RowPartition& partition = runner.source().partition();
  const int rank = runner.communicator().rank();
  const Range rows = batch < 0 ? Range{0, W.rows} : Range{partition.local_begin(batch, rank), partition.local_begin(batch + 1, rank)};
  for (Index i = rows.begin; i < rows.end; ++i) std::fill_n(W.row(i), W.columns, start);
  if (rule.beta() == 2) rule.keep_projections(W.rows);
  const PassOptions options{.update_W = true, .accumulate = false, .divergence = false, .change = true};
  for (Index iteration = 1; iteration <= limit; ++iteration) {
    const Timer timer;
    if (batch < 0) {
      runner.over_all(rule, W, options);
    } else {
      runner.over_batch(rule, batch, W, options);
    }
    const double change = std::sqrt(rule.sum(PassSum::change_squared)) / std::sqrt(rule.sum(PassSum::norm_squared));
    if (control.on_progress) control.on_progress({iteration, limit, timer.seconds(), "change of W", change});
    if (tol > 0 && change <= tol) return;
  }
}

template <Scalar T>
void fit_mini_batch(PassRunner<T>& runner, const FitControl<T>& control, FittedModel<T>& model) {
  const Parameters& parameters = model.parameters;
  const RowPartition& rows = runner.source().partition();
  const Index per_pass = rows.batches();
  const Index limit = parameters.max_iter * per_pass;
  if (!model.n_steps) {
    start_accumulators(runner, model);
    model.history = History({"iteration", "seconds", "cost", "smoothed_cost", "h_change"});
  }
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
    model.history.append({static_cast<double>(*model.n_steps), timer.seconds(), cost, model.stop.smoothed, h_change});
    if (control.on_progress) control.on_progress({*model.n_steps, limit, timer.seconds(), "cost", cost});
    end_iteration(steps.stop_requested(), steps.checkpoint_due(), control, model);
  }
  if (parameters.fresh_restarts && !model.stopped) {
    const Shape shape = runner.source().shape();
    Multiplicative<T>& solver = steps.solver();
    solver.set_penalties(penalties_of(parameters.alpha_W, parameters.effective_alpha_H(), parameters.l1_ratio, shape.columns, shape.rows));
    runner.set_H(solver, model.factors.Ht);
    solve_W(runner, solver, -1, model.factors.W.view(), runner.source().summary().mean(shape), parameters.tol,
            parameters.effective_transform_max_iter(), {});
  }
}

template <Scalar T>
void partial_fit(DataSource<T>& x, FittedModel<T>& model, const RunControl& control) {
  PassRunner<T> runner(x, model.n_components, FitControl<T>(control));
  if (!model.n_steps) start_accumulators(runner, model);
  MiniBatchSteps<T> steps(runner, model, true);
  steps.step(0);
}

template void solve_W(PassRunner<float>&, Multiplicative<float>&, Index, MatrixView<float>, double, double, Index, const RunControl&);
template void solve_W(PassRunner<double>&, Multiplicative<double>&, Index, MatrixView<double>, double, double, Index, const RunControl&);
template void fit_mini_batch(PassRunner<float>&, const FitControl<float>&, FittedModel<float>&);
template void fit_mini_batch(PassRunner<double>&, const FitControl<double>&, FittedModel<double>&);
template void partial_fit(DataSource<float>&, FittedModel<float>&, const RunControl&);
template void partial_fit(DataSource<double>&, FittedModel<double>&, const RunControl&);

}  // namespace scanmf
