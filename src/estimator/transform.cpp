#include <fmt/format.h>
#include <cmath>

#include "estimator/nmf.hpp"
#include "scanmf/core/log.hpp"
#include "scanmf/core/random.hpp"
#include "scanmf/solver/coordinate_descent.hpp"

namespace scanmf {
namespace {

template <Scalar T>
Index transform_coordinate_descent(PassRunner<T>& runner, const Matrix<T>& Ht, const Parameters& parameters, std::uint32_t seed, MatrixView<T> W,
                                   const RunControl& control) {
  const Shape shape = runner.source().shape();
  CoordinateDescent<T> rule(runner.source().kind(), shape.columns, Ht.columns(),
                            penalties_of(parameters.alpha_W, parameters.effective_alpha_H(), parameters.l1_ratio, shape.columns, shape.rows));
  rule.set_H(Ht);
  rule.keep_projections(W.rows);
  LegacyRandom random(seed);
  double first = 0;
  for (Index iteration = 1; iteration <= parameters.max_iter; ++iteration) {
    const Timer timer;
    if (parameters.shuffle) rule.set_orders(random.permutation(Ht.columns()), {});
    runner.over_all(rule, W, {.update_W = true, .accumulate = false});
    const double violation = rule.sum(PassSum::violation);
    require_finite(violation, "violation", "iteration", iteration);
    if (iteration == 1) first = violation;
    const double relative = first > 0 ? violation / first : 0;
    if (control.on_progress) control.on_progress({iteration, parameters.max_iter, timer.seconds(), "violation", relative});
    if (first == 0 || relative <= parameters.tol) return iteration;
  }
  return parameters.max_iter;
}

template <Scalar T>
Index transform_multiplicative(PassRunner<T>& runner, const Matrix<T>& Ht, const Parameters& parameters, MatrixView<T> W, const RunControl& control) {
  DataSource<T>& x = runner.source();
  const Shape shape = x.shape();
  Multiplicative<T> rule(x.kind(), shape.columns, Ht.columns(), parameters.beta_loss,
                         penalties_of(parameters.alpha_W, parameters.effective_alpha_H(), parameters.l1_ratio, shape.columns, shape.rows));
  rule.set_H(Ht);
  if (rule.beta() == 2) rule.keep_projections(W.rows);
  const T start = std::sqrt(static_cast<T>(x.summary().mean(shape)) / static_cast<T>(Ht.columns()));
  for (Index i = 0; i < W.rows; ++i) std::fill_n(W.row(i), W.columns, start);
  const double first = parameters.tol > 0 ? error_of(runner.divergence(rule, W)) : 0;
  double last = first;
  for (Index iteration = 1; iteration <= parameters.max_iter; ++iteration) {
    const Timer timer;
    runner.over_all(rule, W, {.update_W = true, .accumulate = false});
    if (parameters.tol == 0 || iteration % 10 != 0) continue;
    const double error = error_of(runner.divergence(rule, W));
    require_finite(error, "error", "iteration", iteration);
    if (control.on_progress) control.on_progress({iteration, parameters.max_iter, timer.seconds(), "error", first > 0 ? error / first : 0});
    if ((last - error) / first < parameters.tol) return iteration;
    last = error;
  }
  return parameters.max_iter;
}

}  // namespace

template <Scalar T>
Matrix<T> transform(DataSource<T>& x, const Matrix<T>& Ht, const Parameters& parameters, std::uint32_t seed, const RunControl& control) {
  const Shape shape = x.shape();
  if (shape.columns != Ht.rows())
    throw AgreedError(
        fmt::format("X has {} features, but {} is expecting {} features as input.", shape.columns, class_name(parameters.estimator), Ht.rows()));
  const bool mini_batch = parameters.estimator == Estimator::minibatch_nmf;
  if (!mini_batch && parameters.beta_loss <= 0 && x.summary().has_zeros(shape))
    throw AgreedError("When beta_loss <= 0 and X contains zeros, the solver may diverge. Please add small values to X, or use a positive beta_loss.");
  PassRunner<T> runner(x, Ht.columns(), FitControl<T>(control));
  Matrix<T> W(x.local_rows(), Ht.columns(), T{0});
  if (mini_batch) {
    Multiplicative<T> rule(x.kind(), shape.columns, Ht.columns(), parameters.beta_loss,
                           penalties_of(parameters.alpha_W, parameters.effective_alpha_H(), parameters.l1_ratio, shape.columns, shape.rows), false);
    rule.set_H(Ht);
    solve_W(runner, rule, -1, W.view(), x.summary().mean(shape), parameters.tol, parameters.effective_transform_max_iter(), control);
    return W;
  }
  const Index iterations = parameters.solver == Solver::cd ? transform_coordinate_descent(runner, Ht, parameters, seed, W.view(), control)
                                                           : transform_multiplicative(runner, Ht, parameters, W.view(), control);
  if (iterations == parameters.max_iter && parameters.tol > 0)
    log_warning(fmt::format("Maximum number of iterations {} reached. Increase it to improve convergence.", parameters.max_iter));
  return W;
}

template Matrix<float> transform(DataSource<float>&, const Matrix<float>&, const Parameters&, std::uint32_t, const RunControl&);
template Matrix<double> transform(DataSource<double>&, const Matrix<double>&, const Parameters&, std::uint32_t, const RunControl&);

}  // namespace scanmf
