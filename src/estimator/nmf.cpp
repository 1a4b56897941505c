#include "estimator/nmf.hpp"

#include <cmath>
#include <limits>
#include <memory>

#include "scanmf/core/random.hpp"
#include "scanmf/solver/coordinate_descent.hpp"

namespace scanmf {
namespace {

constexpr double not_evaluated = std::numeric_limits<double>::quiet_NaN();

/// The stop rule of coordinate descent: violation relative to the first one.
bool violation_stops(StopState& state, double violation, double tol) {
  if (state.first < 0) state.first = violation;
  return state.first == 0 || violation / state.first <= tol;
}

/// The stop rule of multiplicative updates: progress of the error over ten iterations relative to the first error. 0/0 compares false and never
/// stops.
bool error_stops(StopState& state, double error, double tol) {
  const bool stop = (state.last - error) / state.first < tol;
  state.last = error;
  return stop;
}

double relative_to_first(const StopState& state, double value) { return state.first > 0 ? value / state.first : value; }

Penalties penalties_for(const Parameters& p, const Shape& shape) {
  return penalties_of(p.alpha_W, p.effective_alpha_H(), p.l1_ratio, shape.columns, shape.rows);
}

template <Scalar T>
void fit_coordinate_descent(PassRunner<T>& runner, const Seed& seed, const FitControl<T>& control, FittedModel<T>& model) {
  const Parameters& parameters = model.parameters;
  const Shape shape = runner.source().shape();
  const Index k = model.n_components;
  CoordinateDescent<T> rule(runner.source().kind(), shape.columns, k, penalties_for(parameters, shape));
  const auto stream = seed.stream();  // of its own, unless all come from one generator: the initialisation has another
  LegacyRandom& random = *stream;
  if (parameters.shuffle)
    for (Index done = 0; done < 2 * model.n_iter; ++done) random.permutation(k);
  runner.set_H(rule, model.factors.Ht);
  while (model.n_iter < parameters.max_iter && !model.converged && !model.stopped) {
    const Timer timer;
    if (parameters.shuffle) {
      std::vector<Index> w_order = random.permutation(k);
      rule.set_orders(std::move(w_order), random.permutation(k));
    }
    runner.over_all(rule, model.factors.W.view(), {});
    const double violation = rule.sum(PassSum::violation) + runner.update_H(rule, model.factors.Ht).violation;
    ++model.n_iter;
    require_finite(violation, "violation", "iteration", model.n_iter);
    model.converged = violation_stops(model.stop, violation, parameters.tol);
    model.history.append({{"iteration", static_cast<double>(model.n_iter)}, {"seconds", timer.seconds()}, {"violation", violation}});
    if (control.on_progress)
      control.on_progress(
          {model.n_iter, parameters.max_iter, timer.seconds(), "violation", relative_to_first(model.stop, violation), &model.history});
    end_iteration(rule.sum(PassSum::stop_requested) > 0, rule.sum(PassSum::checkpoint_due) > 0, control, model);
  }
}

template <Scalar T>
void fit_multiplicative(PassRunner<T>& runner, const FitControl<T>& control, FittedModel<T>& model) {
  const Parameters& parameters = model.parameters;
  const Shape shape = runner.source().shape();
  Multiplicative<T> rule(runner.source().kind(), shape.columns, model.n_components, parameters.beta_loss, penalties_for(parameters, shape));
  runner.set_H(rule, model.factors.Ht);
  if (model.n_iter == 0) {
    model.stop.first = parameters.tol > 0 ? error_of(runner.divergence(rule, model.factors.W.view())) : 0;
    model.stop.last = model.stop.first;
    require_finite(model.stop.first, "error", "iteration", 0);
  }
  while (model.n_iter < parameters.max_iter && !model.converged && !model.stopped) {
    const Timer timer;
    runner.over_all(rule, model.factors.W.view(), {});
    const bool stop_requested = rule.sum(PassSum::stop_requested) > 0;
    const bool checkpoint_due = rule.sum(PassSum::checkpoint_due) > 0;
    const HUpdate update = runner.update_H(rule, model.factors.Ht);
    ++model.n_iter;
    require_finite(update.violation, "factors", "iteration", model.n_iter);
    double error = not_evaluated;
    if (parameters.tol > 0 && model.n_iter % 10 == 0) {
      error = error_of(runner.divergence(rule, model.factors.W.view()));
      require_finite(error, "error", "iteration", model.n_iter);
      model.converged = error_stops(model.stop, error, parameters.tol);
    }
    model.history.append({{"iteration", static_cast<double>(model.n_iter)}, {"seconds", timer.seconds()}, {"error", error}});
    if (control.on_progress)
      control.on_progress({model.n_iter, parameters.max_iter, timer.seconds(), "error", relative_to_first(model.stop, error), &model.history});
    end_iteration(stop_requested, checkpoint_due, control, model);
  }
}

}  // namespace

double error_of(double divergence) { return std::sqrt(2 * (std::isnan(divergence) ? divergence : std::max(divergence, 0.0))); }

template <Scalar T>
void end_iteration(bool stop_requested, bool checkpoint_due, const FitControl<T>& control, FittedModel<T>& model) {
  model.stopped = stop_requested && !model.converged;
  if (control.save && (checkpoint_due || model.stopped)) control.save(model);
}

template <Scalar T>
void fit_nmf(PassRunner<T>& runner, const Seed& seed, const FitControl<T>& control, FittedModel<T>& model) {
  if (model.parameters.solver == Solver::cd) {
    fit_coordinate_descent(runner, seed, control, model);
  } else {
    fit_multiplicative(runner, control, model);
  }
}

template void end_iteration(bool, bool, const FitControl<float>&, FittedModel<float>&);
template void end_iteration(bool, bool, const FitControl<double>&, FittedModel<double>&);
template void fit_nmf(PassRunner<float>&, const Seed&, const FitControl<float>&, FittedModel<float>&);
template void fit_nmf(PassRunner<double>&, const Seed&, const FitControl<double>&, FittedModel<double>&);

}  // namespace scanmf
