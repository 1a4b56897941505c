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
class ViolationRule {
 public:
  explicit ViolationRule(double tol) : tol_(tol) {}
  /// True when the fit is to stop after the iteration with this violation.
  bool stops(double violation) {
    if (first_ < 0) first_ = violation;
    return first_ == 0 || violation / first_ <= tol_;
  }
  double relative(double violation) const { return first_ > 0 ? violation / first_ : 0; }

 private:
  double tol_;
  double first_ = -1;
};

/// The stop rule of multiplicative updates: progress of the error over ten iterations relative to the first error.
class ErrorRule {
 public:
  ErrorRule(double tol, double first) : tol_(tol), first_(first), last_(first) {}
  static bool evaluates(double tol, Index iteration) { return tol > 0 && iteration % 10 == 0; }
  bool stops(double error) {
    const bool stop = (last_ - error) / first_ < tol_;  // 0/0 compares false: never stops
    last_ = error;
    return stop;
  }
  double relative(double error) const { return first_ > 0 ? error / first_ : 0; }

 private:
  double tol_;
  double first_;
  double last_;
};

template <Scalar T>
void fit_coordinate_descent(PassRunner<T>& runner, std::uint32_t seed, const RunControl& control, FittedModel<T>& model) {
  const Parameters& parameters = model.parameters;
  const Shape shape = runner.source().shape();
  CoordinateDescent<T> rule(runner.source().kind(), shape.columns, model.n_components,
                            penalties_of(parameters.alpha_W, parameters.effective_alpha_H(), parameters.l1_ratio, shape.columns, shape.rows));
  ViolationRule stop_rule(parameters.tol);
  LegacyRandom random(seed);  // a stream of its own: the initialisation has another
  model.history = History({"iteration", "seconds", "violation"});
  while (model.n_iter < parameters.max_iter && !model.converged && !model.stopped) {
    const Timer timer;
    if (parameters.shuffle) {
      std::vector<Index> w_order = random.permutation(model.n_components);
      rule.set_orders(std::move(w_order), random.permutation(model.n_components));
    }
    rule.set_H(model.factors.Ht);
    runner.over_all(rule, model.factors.W.view(), {});
    const double violation = rule.sum(PassSum::violation) + runner.update_H(rule, model.factors.Ht);
    ++model.n_iter;
    require_finite(violation, "violation", "iteration", model.n_iter);
    model.converged = stop_rule.stops(violation);
    model.stopped = !model.converged && rule.sum(PassSum::stop_requested) > 0;
    model.history.append({static_cast<double>(model.n_iter), timer.seconds(), violation});
    if (control.on_progress)
      control.on_progress({model.n_iter, parameters.max_iter, timer.seconds(), "violation", stop_rule.relative(violation)});
  }
}

template <Scalar T>
void fit_multiplicative(PassRunner<T>& runner, const RunControl& control, FittedModel<T>& model) {
  const Parameters& parameters = model.parameters;
  const Shape shape = runner.source().shape();
  Multiplicative<T> rule(runner.source().kind(), shape.columns, model.n_components, parameters.beta_loss,
                         penalties_of(parameters.alpha_W, parameters.effective_alpha_H(), parameters.l1_ratio, shape.columns, shape.rows));
  rule.set_H(model.factors.Ht);
  const double first = parameters.tol > 0 ? error_of(runner.divergence(rule, model.factors.W.view())) : 0;
  if (parameters.tol > 0) require_finite(first, "error", "iteration", 0);
  ErrorRule stop_rule(parameters.tol, first);
  model.history = History({"iteration", "seconds", "error"});
  while (model.n_iter < parameters.max_iter && !model.converged && !model.stopped) {
    const Timer timer;
    runner.over_all(rule, model.factors.W.view(), {});
    const bool stop_requested = rule.sum(PassSum::stop_requested) > 0;
    runner.update_H(rule, model.factors.Ht);
    rule.set_H(model.factors.Ht);
    ++model.n_iter;
    double error = not_evaluated;
    if (ErrorRule::evaluates(parameters.tol, model.n_iter)) {
      error = error_of(runner.divergence(rule, model.factors.W.view()));
      require_finite(error, "error", "iteration", model.n_iter);
      model.converged = stop_rule.stops(error);
    }
    model.stopped = !model.converged && stop_requested;
    model.history.append({static_cast<double>(model.n_iter), timer.seconds(), error});
    if (control.on_progress) control.on_progress({model.n_iter, parameters.max_iter, timer.seconds(), "error", stop_rule.relative(error)});
  }
}

}  // namespace

double error_of(double divergence) { return std::sqrt(2 * (std::isnan(divergence) ? divergence : std::max(divergence, 0.0))); }

template <Scalar T>
void fit_nmf(PassRunner<T>& runner, std::uint32_t seed, const RunControl& control, FittedModel<T>& model) {
  if (model.parameters.solver == Solver::cd) {
    fit_coordinate_descent(runner, seed, control, model);
  } else {
    fit_multiplicative(runner, control, model);
  }
}

template void fit_nmf(PassRunner<float>&, std::uint32_t, const RunControl&, FittedModel<float>&);
template void fit_nmf(PassRunner<double>&, std::uint32_t, const RunControl&, FittedModel<double>&);

}  // namespace scanmf
