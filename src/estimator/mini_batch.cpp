#include "estimator/mini_batch.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "estimator/nmf.hpp"
#include "estimator/observed_loss.hpp"
#include "scanmf/core/log.hpp"
#include "scanmf/linalg/tile_loop.hpp"
#include "scanmf/parallel/ordered_sum.hpp"

namespace scanmf {
namespace {

constexpr double undefined = std::numeric_limits<double>::quiet_NaN();

/// Sum and number of the observed elements of some rows of X.
struct ObservedSum {
  double sum = 0;
  Index count = 0;
};
template <Scalar T>
ObservedSum observed_sum(const TileView<T>& x, StorageKind kind, Index columns) {
  const Observed observed = x.observed();
  if (observed == Observed::all) return {element_totals<T>(x.stored(), T{0}).sum, x.rows() * columns};
  ObservedSum result;
  Index hidden = 0;
  for_each_held_element(x, [&](Index, Index, T element) {
    if (!is_observed(observed, element)) return void(++hidden);
    result.sum += static_cast<double>(element);
    ++result.count;
  });
  if (kind == StorageKind::csr && observed == Observed::not_nan) result.count = x.rows() * columns - hidden;
  return result;
}

/// Collective. Mean of the observed elements of one batch of X; 0 where there are none.
template <Scalar T>
double batch_mean(PassRunner<T>& runner, Index batch) {
  DataSource<T>& x = runner.source();
  if (x.partition().batches() == 1) return x.summary().mean(x.shape());
  ExactSum sum;
  Index count = 0;
  runner.communicator().agree([&] {
    x.visit(batch, [&](const Block<T>& block) {
      std::vector<ObservedSum> sums(static_cast<std::size_t>(block.tiles()));
      for_each_tile(Team(), block, [&](int, const TilePlace& place, const TileView<T>& tile) {
        sums[static_cast<std::size_t>(place.number)] = observed_sum(tile, block.kind(), x.shape().columns);
      });
      for (const ObservedSum& part : sums) {
        sum.add(part.sum);
        count += part.count;
      }
    });
  });
  const double total = exact_sum(runner.communicator(), sum);
  count = runner.communicator().sum(count);
  return count > 0 ? total / static_cast<double>(count) : 0.0;
}

/// Collective. Streamed X is read twice at most: once where X·Hᵀ is all that the updates need. False: stopped.
template <Scalar T>
bool solve_W(PassRunner<T>& runner, TransformProblem<T>& problem, MatrixView<T> W, const RunControl& control = {},
             const PassSteps& steps = {}) {
  if (runner.source().in_memory() || !problem.solver().loss.weights)
    return transform_by_passes(runner, problem, W, control, steps).has_value();
  const BlockOfW<T> keep = [&](Index local_row, Index, MatrixView<const T> rows) {
    std::copy_n(rows.data, rows.rows * rows.columns, W.row(local_row));
  };
  return transform_by_blocks(runner, problem, keep, control, control.stop_requested).has_value();
}

/// Entries of W below the threshold of small factors become 0.
template <Scalar T>
void zero_small(MatrixView<T> w, double threshold) {
  for (Index i = 0; i < w.rows; ++i)
    for (Index c = 0; c < w.columns; ++c)
      if (w(i, c) < static_cast<T>(threshold)) w(i, c) = T{0};
}

/// A = H, B = 1, ρ = forget_factor^(b/m), on this rank's slice.
template <Scalar T>
void start_accumulators(PassRunner<T>& runner, FittedModel<T>& model) {
  const Range slice = runner.slice();
  const Index m = runner.source().shape().rows;
  const Index batch_rows = std::min(model.parameters.batch_size, m);
  Matrix<T> A(slice.size(), model.n_components);
  std::copy_n(model.factors.Ht.row(slice.begin), slice.size() * model.n_components, A.data());
  model.state.arrays.clear();
  model.state.arrays.push_back({"A", std::move(A)});
  model.state.arrays.push_back({"B", Matrix<T>(slice.size(), model.n_components, T{1})});
  set_number(model.state.numbers, "rho",
             std::pow(model.parameters.forget_factor, static_cast<double>(batch_rows) / static_cast<double>(m)));
  model.n_steps = 0;
}

/// The accumulators of the model's state, which is made where there is none.
template <Scalar T>
MiniBatchAccumulators<T> accumulators_of(PassRunner<T>& runner, FittedModel<T>& model) {
  if (!model.n_steps) start_accumulators(runner, model);
  std::vector<StateArray<T>>& arrays = model.state.arrays;
  return {arrays.at(0).slice.view(), arrays.at(1).slice.view(), number_or(model.state.numbers, "rho", 1.0)};
}

}  // namespace

template <Scalar T>
MiniBatchStep<T>::MiniBatchStep(PassRunner<T>& runner, FittedModel<T>& model, bool fresh)
    : model_(model),
      fresh_(fresh),
      loss_(loss_on(runner.source(), model.parameters.beta_loss)),
      rows_(loss_, model.n_components, {}),
      factor_(loss_, accumulators_of(runner, model)),
      solver_(loss_, runner.source().kind(), runner.source().shape().columns, model.n_components, &rows_,
              runner.source().observation()),
      pass_(solver_),
      fresh_rows_(loss_, model.n_components, {}, false),
      fresh_solver_(loss_, solver_.kind, solver_.columns, model.n_components, &fresh_rows_, solver_.observation),
      fresh_pass_(fresh_solver_),
      means_(static_cast<std::size_t>(runner.source().partition().batches()), undefined),
      scratch_W_(fresh ? Matrix<T>(runner.source().local_rows(), model.n_components) : Matrix<T>()) {
  runner.set_H(solver_, model.factors.Ht);
}

template <Scalar T>
Penalties MiniBatchStep<T>::penalties_of_batch(PassRunner<T>& runner, Index batch) const {
  return penalties_for(model_.parameters,
                       {runner.source().partition().batch(batch).size(), runner.source().shape().columns});
}

template <Scalar T>
double MiniBatchStep<T>::mean_of(PassRunner<T>& runner, Index batch) {
  double& mean = means_[static_cast<std::size_t>(batch)];
  if (std::isnan(mean)) mean = batch_mean(runner, batch);
  return mean;
}

template <Scalar T>
void MiniBatchStep<T>::solve_batch(PassRunner<T>& runner, Index batch, const Penalties& penalties) {
  const Parameters& parameters = model_.parameters;
  fresh_rows_.set_penalties(penalties);
  runner.set_H(fresh_solver_, model_.factors.Ht);
  TransformProblem<T> problem(fresh_pass_, {batch, batch + 1}, mean_of(runner, batch), parameters.tol,
                              parameters.fresh_restarts_max_iter);
  solve_W(runner, problem, W());
  const RowPartition& partition = runner.source().partition();
  const int rank = runner.communicator().rank();
  if (loss_.zero_W_below > 0)
    zero_small(W().middle_rows({partition.local_begin(batch, rank), partition.local_begin(batch + 1, rank)}),
               loss_.zero_W_below);
}

template <Scalar T>
Visit<T> MiniBatchStep<T>::begin(PassRunner<T>& runner, Index batch) {
  const Penalties penalties = penalties_of_batch(runner, batch);
  rows_.set_penalties(penalties);
  factor_.set_penalties(penalties);
  if (fresh_) solve_batch(runner, batch, penalties);
  const RowsOfW<T> rows = fresh_ ? RowsOfW<T>(MatrixView<const T>(W())) : RowsOfW<T>(W());
  return {&pass_, {batch, batch + 1}, rows, {.accumulate = true, .divergence = true}};
}

template <Scalar T>
double MiniBatchStep<T>::end(PassRunner<T>& runner, Index batch) {
  const Totals& totals = pass_.totals();
  const FixedH<T>& h = solver_.h;
  batch_was_empty_ = totals[Total::norm_squared] == 0;
  const double objective =
      penalties_of_batch(runner, batch)
          .objective(pass_.divergence(), totals[Total::w_sum], h.sum(), totals[Total::norm_squared], h.norm_squared());
  const double cost = objective / static_cast<double>(runner.source().partition().batch(batch).size());
  HUpdate update;
  if (says_something(batch))
    update = runner.update_H(pass_, factor_, model_.factors.Ht);
  else
    factor_.forget();
  h_change_ = std::sqrt(update.change_squared) / std::sqrt(h.norm_squared());
  model_.n_steps = model_.n_steps.value_or(0) + 1;
  require_finite(update.violation, "factors", "mini-batch step", *model_.n_steps);
  require_finite(cost, "cost", "mini-batch step", *model_.n_steps);
  return cost;
}

template <Scalar T>
bool MiniBatchStep<T>::says_something(Index batch) const {
  const Observation* const observation = solver_.observation;
  return observation == nullptr || observation->in_batch[static_cast<std::size_t>(batch)] > 0;
}

template <Scalar T>
bool MiniBatchStep<T>::solve_all(PassRunner<T>& runner, const RunControl& control, const PassSteps& steps) {
  const Parameters& parameters = model_.parameters;
  const Shape shape = runner.source().shape();
  fresh_rows_.set_penalties(penalties_for(parameters, shape));
  runner.set_H(fresh_solver_, model_.factors.Ht);
  TransformProblem<T> problem(fresh_pass_, runner.all_batches(), runner.source().summary().mean(shape), parameters.tol,
                              parameters.effective_transform_max_iter());
  return solve_W(runner, problem, model_.factors.W.view(), control, steps);
}

template <Scalar T>
MiniBatchIteration<T>::MiniBatchIteration(PassRunner<T>& runner, FittedModel<T>& model)
    : Iteration<T>(model),
      parameters_(model.parameters),
      partition_(runner.source().partition()),
      limit_(parameters_.max_iter * partition_.batches()),
      step_(runner, model, parameters_.fresh_restarts),
      W_updates_(number_or(model.state.numbers, "W_updates", Index{0})) {
  rule_.load(model.state.numbers);
}

template <Scalar T>
bool MiniBatchIteration<T>::is_running() const {
  const FittedModel<T>& model = this->model();
  return *model.n_steps < limit_ && !model.converged && !model.stopped;
}

template <Scalar T>
Visit<T> MiniBatchIteration<T>::begin(PassRunner<T>& runner) {
  return step_.begin(runner, batch());
}

template <Scalar T>
std::optional<IterationEnd> MiniBatchIteration<T>::end(PassRunner<T>& runner) {
  FittedModel<T>& model = this->model();
  const Index batch = this->batch();
  const double cost = step_.end(runner, batch);
  double h_change = undefined;
  if (*model.n_steps > 1) {
    h_change = step_.h_change();
    const double weight =
        static_cast<double>(partition_.batch(batch).size()) / static_cast<double>(partition_.rows() + 1);
    const std::optional<double> evidence = step_.batch_was_empty() ? std::nullopt : std::optional(h_change);
    const bool counts = step_.says_something(batch);
    model.converged = counts && rule_.stops(cost, weight, evidence, parameters_.tol, parameters_.max_no_improvement);
    if (!evidence && counts && !model.converged) tell_of_empty_batch(h_change);
  }
  const Index per_pass = partition_.batches();
  model.n_iter = (*model.n_steps + per_pass - 1) / per_pass;
  W_updates_ = 0;
  return IterationEnd{*model.n_steps,
                      limit_,
                      "cost",
                      cost,
                      {{"cost", cost}, {"smoothed_cost", rule_.smoothed}, {"h_change", h_change}}};
}

template <Scalar T>
void MiniBatchIteration<T>::tell_of_empty_batch(double h_change) {
  const bool would_stop = parameters_.tol > 0 && h_change <= parameters_.tol;
  if (would_stop && !std::exchange(told_of_empty_batch_, true))
    log_information(
        fmt::format("mini-batch step {} has a batch of zeros alone, from which H learns nothing: scikit-learn stops "
                    "there, scanmf goes on",
                    *this->model().n_steps));
}

template <Scalar T>
void MiniBatchIteration<T>::save_state() {
  StateNumbers& numbers = this->model().state.numbers;
  rule_.save(numbers);
  set_number(numbers, "W_updates", W_updates_);
}

template <Scalar T>
void MiniBatchIteration<T>::finish(PassRunner<T>& runner) {
  if (!parameters_.fresh_restarts) return;
  FittedModel<T>& model = this->model();
  const FitControl<T>& control = runner.control();
  RunControl counting_on;
  counting_on.stop_requested = control.stop_requested;
  if (control.on_progress)
    counting_on.on_progress = [&](Progress now) {
      now.iteration += *model.n_steps;
      now.max_iteration += *model.n_steps;
      control.on_progress(now);
    };
  const auto after_pass = [&](Index updates, const Requests& requests) {
    W_updates_ = updates;
    stop_or_save(requests, control, *this);
    return model.stopped;
  };
  if (step_.solve_all(runner, counting_on, {W_updates_, after_pass}) || model.stopped) return;
  model.stopped = true;  // between two blocks
  save_state();
  if (control.save) control.save(model);
}

template <Scalar T>
void partial_fit(DataSource<T>& x, FittedModel<T>& model, const RunControl& control) {
  PassRunner<T> runner(x, FitControl<T>(control));
  MiniBatchStep<T> step(runner, model, true);
  const Timer timer;
  const Visit<T> visit = step.begin(runner, 0);
  runner.over(*visit.pass, visit.batches, visit.W, visit.options);
  const double cost = step.end(runner, 0);
  runner.guard([&] {
    const double seconds = timer.seconds();
    const std::pair<const char*, double> entry[] = {{"iteration", static_cast<double>(*model.n_steps)},
                                                    {"seconds", seconds},
                                                    {"cost", cost},
                                                    {"smoothed_cost", undefined},
                                                    {"h_change", undefined}};
    model.history.append(entry);
    if (control.on_progress)
      control.on_progress({*model.n_steps, *model.n_steps, seconds, "cost", cost, &model.history});
  });
  runner.settle();
}

template class MiniBatchStep<float>;
template class MiniBatchStep<double>;
template class MiniBatchIteration<float>;
template class MiniBatchIteration<double>;
template void partial_fit(DataSource<float>&, FittedModel<float>&, const RunControl&);
template void partial_fit(DataSource<double>&, FittedModel<double>&, const RunControl&);

}  // namespace scanmf
