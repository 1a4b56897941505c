#include "ensemble/fixed_w.hpp"

#include <algorithm>
#include <cmath>

#include "estimator/nmf.hpp"
#include "estimator/observed_loss.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/solver/multiplicative.hpp"

namespace scanmf {
namespace {

constexpr Index evaluation_interval = 10;  // iterations

/// As transform solves for W: its penalty, one sweep a pass.
Parameters of_transform(Parameters parameters) {
  parameters.alpha_H = parameters.alpha_W;
  parameters.acceleration = Acceleration::none;
  return parameters;
}

template <Scalar T>
std::unique_ptr<FactorUpdate<T>> factor_for(const FittedModel<T>& model, const DataSource<T>& x) {
  const Parameters parameters = of_transform(model.parameters);
  if (parameters.solver == Solver::cd) return descent_factor(x, parameters, model.n_components);
  return std::make_unique<MultiplicativeFactor<T>>(loss_on(x, parameters.beta_loss),
                                                   penalties_for(parameters, x.shape()));
}

template <Scalar T>
Loss loss_for(const FittedModel<T>& model, const DataSource<T>& x) {
  const Parameters parameters = of_transform(model.parameters);
  return parameters.solver == Solver::cd ? descent_loss_on(x, parameters) : loss_on(x, parameters.beta_loss);
}

template <Scalar T>
class FixedWIteration final : public Iteration<T> {
 public:
  FixedWIteration(PassRunner<T>& runner, FittedModel<T>& model);

  bool is_running() const override;
  Visit<T> begin(PassRunner<T>& runner) override;
  std::optional<IterationEnd> end(PassRunner<T>& runner) override;
  void save_state() override {}

 private:
  bool is_descent() const { return this->model().parameters.solver == Solver::cd; }

  std::unique_ptr<FactorUpdate<T>> factor_;
  RowSolver<T> solver_;
  Pass<T> pass_;
  ViolationRule violation_;
  ErrorRule error_;
  bool evaluates_ = false;  // the next pass is for the error
};

template <Scalar T>
FixedWIteration<T>::FixedWIteration(PassRunner<T>& runner, FittedModel<T>& model)
    : Iteration<T>(model),
      factor_(factor_for(model, runner.source())),
      solver_(loss_for(model, runner.source()), runner.source().kind(), runner.source().shape().columns,
              model.n_components, nullptr, runner.source().observation()),
      pass_(solver_) {
  const Shape shape = runner.source().shape();
  T start = 0;
  if (!is_descent())
    start = std::sqrt(static_cast<T>(runner.source().summary().mean(shape)) / static_cast<T>(model.n_components));
  model.factors.Ht = Matrix<T>(shape.columns, model.n_components, start);
  if (const Observation* const observation = runner.source().observation(); observation != nullptr)
    for (std::size_t j = 0; j < observation->in_column.size(); ++j)
      if (observation->in_column[j] == 0)
        std::fill_n(model.factors.Ht.row(static_cast<Index>(j)), model.n_components, T{0});
  model.n_iter = 0;
  model.converged = model.stopped = false;
  evaluates_ = !is_descent() && model.parameters.tol > 0;
  runner.set_H(solver_, model.factors.Ht);
}

template <Scalar T>
bool FixedWIteration<T>::is_running() const {
  const FittedModel<T>& model = this->model();
  return evaluates_ || (model.n_iter < model.parameters.max_iter && !model.converged && !model.stopped);
}

template <Scalar T>
Visit<T> FixedWIteration<T>::begin(PassRunner<T>& runner) {
  const MatrixView<const T> W = std::as_const(this->model().factors.W).view();
  PassOptions options;
  options.update_W = false;
  options.accumulate = !evaluates_;
  options.divergence = evaluates_;
  return {&pass_, runner.all_batches(), RowsOfW<T>(W), options};
}

template <Scalar T>
std::optional<IterationEnd> FixedWIteration<T>::end(PassRunner<T>& runner) {
  FittedModel<T>& model = this->model();
  const Parameters& parameters = model.parameters;
  if (evaluates_) {
    evaluates_ = false;
    const double error = error_of(pass_.divergence());
    require_finite(error, "error", "iteration", model.n_iter);
    if (model.n_iter == 0)
      error_.start(error);
    else
      model.converged = error_.stops(error, parameters.tol);
    return std::nullopt;
  }
  const double violation = runner.update_H(pass_, *factor_, model.factors.Ht).violation;
  require_finite(violation, "violation", "iteration", ++model.n_iter);
  if (is_descent())
    model.converged = violation_.stops(violation, parameters.tol);
  else
    evaluates_ = parameters.tol > 0 && model.n_iter % evaluation_interval == 0;
  return IterationEnd{model.n_iter, parameters.max_iter, "violation", violation, {}};
}

}  // namespace

template <Scalar T>
void solve_for_H(DataSource<T>& x, std::vector<FittedModel<T>>& models, const RunControl& control) {
  PassRunner<T> runner(x, FitControl<T>(control));
  std::vector<std::unique_ptr<Iteration<T>>> fits;
  for (FittedModel<T>& model : models) fits.push_back(std::make_unique<FixedWIteration<T>>(runner, model));
  drive<T>(runner, fits);
  if (std::ranges::any_of(models, &FittedModel<T>::stopped))
    throw AgreedError("stopped during the bi-cross-validation", ExitStatus::stopped);
}

template void solve_for_H(DataSource<float>&, std::vector<FittedModel<float>>&, const RunControl&);
template void solve_for_H(DataSource<double>&, std::vector<FittedModel<double>>&, const RunControl&);

}  // namespace scanmf
