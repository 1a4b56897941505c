#include "estimator/nmf.hpp"

#include <fmt/format.h>

#include <limits>

#include "estimator/observed_loss.hpp"

namespace scanmf {
namespace {

constexpr double not_evaluated = std::numeric_limits<double>::quiet_NaN();
constexpr Index evaluation_interval = 10;  // iterations
constexpr Index passes_a_sweep = 3;        // that a fit makes before it may sweep once more in each

}  // namespace

Penalties penalties_for(const Parameters& p, const Shape& shape) {
  return penalties_of(p.alpha_W, p.effective_alpha_H(), p.l1_ratio, shape.columns, shape.rows);
}

template <Scalar T>
CoordinateDescentIteration<T>::CoordinateDescentIteration(PassRunner<T>& runner, const Seed& seed,
                                                          FittedModel<T>& model)
    : Iteration<T>(model),
      parameters_(model.parameters),
      rows_(descent_rows(runner.source(), parameters_, model.n_components)),
      factor_(descent_factor(runner.source(), parameters_, model.n_components)),
      solver_(descent_loss_on(runner.source(), parameters_), runner.source().kind(), runner.source().shape().columns,
              model.n_components, rows_.get(), runner.source().observation()),
      pass_(solver_),
      stream_(seed.stream()) {
  rule_.load(model.state.numbers);
  if (parameters_.shuffle && !seed.is_generator())  // a generator stands where the iterations so far have left it
    for (Index done = 0; done < 2 * model.n_iter; ++done) stream_->permutation(model.n_components);
  runner.set_H(solver_, model.factors.Ht);
}

template <Scalar T>
bool CoordinateDescentIteration<T>::is_running() const {
  const FittedModel<T>& model = this->model();
  return model.n_iter < parameters_.max_iter && !model.converged && !model.stopped;
}

template <Scalar T>
void CoordinateDescentIteration<T>::begin_pass() {
  const Index most = 1 + this->model().n_iter / passes_a_sweep;
  rows_->limit_sweeps(most);
  factor_->limit_sweeps(most);
  if (!parameters_.shuffle) return;
  rows_->set_orders({stream_->permutation(solver_.components)});
  factor_->set_order(stream_->permutation(solver_.components));
}

template <Scalar T>
Visit<T> CoordinateDescentIteration<T>::begin(PassRunner<T>& runner) {
  begin_pass();
  return {&pass_, runner.all_batches(), this->model().factors.W.view(), {}};
}

template <Scalar T>
std::optional<IterationEnd> CoordinateDescentIteration<T>::end(PassRunner<T>& runner) {
  const double of_W = pass_.totals()[Total::violation];
  return end_of_iteration(of_W + runner.update_H(pass_, *factor_, this->model().factors.Ht).violation);
}

template <Scalar T>
IterationEnd CoordinateDescentIteration<T>::end_of_iteration(double violation) {
  FittedModel<T>& model = this->model();
  ++model.n_iter;
  require_finite(violation, "violation", "iteration", model.n_iter);
  violation_ = violation;
  model.converged = rule_.stops(violation, parameters_.tol);
  return {model.n_iter, parameters_.max_iter, "violation", rule_.relative(violation), {{"violation", violation}}};
}

template <Scalar T>
IterationEnd CoordinateDescentIteration<T>::end_of_rejected() {
  const Index number = ++this->model().n_iter;
  return {number, parameters_.max_iter, "violation", not_evaluated, {{"violation", not_evaluated}}};
}

template <Scalar T>
void CoordinateDescentIteration<T>::save_state() {
  rule_.save(this->model().state.numbers);
}

template <Scalar T>
double CoordinateDescentIteration<T>::scale_of_violation(PassRunner<T>& runner) const {
  const FittedModel<T>& model = this->model();
  const auto k = static_cast<std::size_t>(model.n_components);
  std::vector<double> w_sums(k, 0.0);
  std::vector<double> h_sums(k, 0.0);
  add_column_sums<T>(model.factors.W.view(), w_sums.data());
  add_column_sums<T>(model.factors.Ht.view(), h_sums.data());
  runner.communicator().allreduce_sum(std::span<double>(w_sums));
  const std::span<const double> h_gram = solver_.h.factor_sums();
  const std::span<const double> w_gram = pass_.totals().factor_sums();
  double scale = 0;
  for (std::size_t a = 0; a < k; ++a)
    for (std::size_t b = 0; b < k; ++b) scale += w_sums[a] * h_gram[a * k + b] + h_sums[a] * w_gram[a * k + b];
  return scale;
}

template <Scalar T>
std::string CoordinateDescentIteration<T>::warning(PassRunner<T>& runner) {
  const FittedModel<T>& model = this->model();
  if (parameters_.tol <= 0 || rule_.first <= 0) return {};
  const double scale = scale_of_violation(runner);
  constexpr double rounding = 64 * static_cast<double>(std::numeric_limits<T>::epsilon());
  if (!model.converged && rule_.first <= rounding * scale)
    return fmt::format(
        "Maximum number of iterations {} reached, but the start was the optimum already: the first violation was "
        "rounding alone, and so is what tol "
        "compares with it. More iterations change nothing.",
        parameters_.max_iter);
  constexpr double far = 100;  // a start that is so much larger than X hides from tol what is left to do
  constexpr double much = 50;
  if (model.converged && rule_.first > far * scale && violation_ > much * parameters_.tol * scale)
    return fmt::format(
        "The fit converged in {} iterations because the first step was the largest by orders of magnitude: the zeros "
        "of the initialisation were "
        "filled "
        "with values much larger than the factors of X. The fit may be poor: try --init random or a smaller --tol.",
        model.n_iter);
  return this->limit_warning();
}

template <Scalar T>
MultiplicativeIteration<T>::MultiplicativeIteration(PassRunner<T>& runner, FittedModel<T>& model)
    : Iteration<T>(model),
      parameters_(model.parameters),
      rows_(loss_on(runner.source(), parameters_.beta_loss), model.n_components,
            penalties_for(parameters_, runner.source().shape())),
      factor_(loss_on(runner.source(), parameters_.beta_loss), penalties_for(parameters_, runner.source().shape())),
      solver_(loss_on(runner.source(), parameters_.beta_loss), runner.source().kind(), runner.source().shape().columns,
              model.n_components, &rows_, runner.source().observation()),
      pass_(solver_),
      evaluates_(model.n_iter == 0 && parameters_.tol > 0) {
  rule_.load(model.state.numbers);
  runner.set_H(solver_, model.factors.Ht);
}

template <Scalar T>
bool MultiplicativeIteration<T>::is_running() const {
  const FittedModel<T>& model = this->model();
  return evaluates_ || (model.n_iter < parameters_.max_iter && !model.converged && !model.stopped);
}

template <Scalar T>
Visit<T> MultiplicativeIteration<T>::begin(PassRunner<T>& runner) {
  const Matrix<T>& W = this->model().factors.W;
  if (evaluates_) return {&pass_, runner.all_batches(), W.view(), {.accumulate = false, .divergence = true}};
  return {&pass_, runner.all_batches(), this->model().factors.W.view(), {}};
}

template <Scalar T>
std::optional<IterationEnd> MultiplicativeIteration<T>::end(PassRunner<T>& runner) {
  return evaluates_ ? end_of_evaluation() : end_of_update(runner);
}

template <Scalar T>
std::optional<IterationEnd> MultiplicativeIteration<T>::end_of_update(PassRunner<T>& runner) {
  FittedModel<T>& model = this->model();
  const HUpdate update = runner.update_H(pass_, factor_, model.factors.Ht);
  ++model.n_iter;
  require_finite(update.violation, "factors", "iteration", model.n_iter);
  evaluates_ = parameters_.tol > 0 && model.n_iter % evaluation_interval == 0;
  if (evaluates_) return std::nullopt;
  return iteration_end(not_evaluated);
}

template <Scalar T>
std::optional<IterationEnd> MultiplicativeIteration<T>::end_of_evaluation() {
  FittedModel<T>& model = this->model();
  evaluates_ = false;
  const double error = error_of(pass_.divergence());
  require_finite(error, "error", "iteration", model.n_iter);
  if (model.n_iter == 0) {
    rule_.start(error);
    return std::nullopt;
  }
  model.converged = rule_.stops(error, parameters_.tol);
  return iteration_end(error);
}

template <Scalar T>
IterationEnd MultiplicativeIteration<T>::iteration_end(double error) const {
  return {this->model().n_iter, parameters_.max_iter, "error", rule_.relative(error), {{"error", error}}};
}

template <Scalar T>
void MultiplicativeIteration<T>::save_state() {
  rule_.save(this->model().state.numbers);
}

template class CoordinateDescentIteration<float>;
template class CoordinateDescentIteration<double>;
template class MultiplicativeIteration<float>;
template class MultiplicativeIteration<double>;

}  // namespace scanmf
