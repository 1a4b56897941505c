#include "estimator/iteration.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "estimator/extrapolated_descent.hpp"
#include "estimator/mini_batch.hpp"
#include "estimator/nmf.hpp"

namespace scanmf {
namespace {

/// A fit that is being driven, between two passes.
template <Scalar T>
struct Driven {
  Iteration<T>* fit;
  std::optional<Timer> iteration;  // since it began; none: between two
  Requests requests;               // of its passes
};

template <Scalar T>
void record(PassRunner<T>& runner, FittedModel<T>& model, const IterationEnd& end, double seconds) {
  runner.guard([&] {
    std::vector<std::pair<const char*, double>> entry{{"iteration", static_cast<double>(end.number)},
                                                      {"seconds", seconds}};
    entry.insert(entry.end(), end.measured.begin(), end.measured.end());
    model.history.append(entry);
    if (runner.control().on_progress)
      runner.control().on_progress({end.number, end.limit, seconds, end.measure, end.relative, &model.history});
  });
}

}  // namespace

template <Scalar T>
std::string Iteration<T>::limit_warning() const {
  const Parameters& parameters = model_.parameters;
  if (model_.n_iter != parameters.max_iter || parameters.tol <= 0) return {};
  return fmt::format("Maximum number of iterations {} reached. Increase it to improve convergence.",
                     parameters.max_iter);
}

template <Scalar T>
std::unique_ptr<Iteration<T>> iteration_for(PassRunner<T>& runner, const Seed& seed, FittedModel<T>& model) {
  if (model.parameters.estimator == Estimator::minibatch_nmf)
    return std::make_unique<MiniBatchIteration<T>>(runner, model);
  if (model.parameters.solver == Solver::mu) return std::make_unique<MultiplicativeIteration<T>>(runner, model);
  if (model.parameters.acceleration == Acceleration::extrapolation)
    return std::make_unique<ExtrapolatedIteration<T>>(runner, seed, model);
  return std::make_unique<CoordinateDescentIteration<T>>(runner, seed, model);
}

template <Scalar T>
void drive(PassRunner<T>& runner, std::span<const std::unique_ptr<Iteration<T>>> fits) {
  std::vector<Driven<T>> running;
  for (const auto& fit : fits) running.push_back({fit.get(), std::nullopt, {}});
  while (true) {
    std::erase_if(running, [](const Driven<T>& driven) { return !driven.fit->is_running(); });
    if (running.empty()) break;
    std::vector<Visit<T>> visits;
    for (Driven<T>& driven : running) {
      if (!driven.iteration) {
        driven.iteration.emplace();
        driven.requests = {};
      }
      visits.push_back(driven.fit->begin(runner));
    }
    const Requests requests = runner.over(std::span(visits));
    for (Driven<T>& driven : running) {
      driven.requests = {driven.requests.stop || requests.stop, driven.requests.checkpoint || requests.checkpoint};
      const std::optional<IterationEnd> end = driven.fit->end(runner);
      if (!end) continue;
      record(runner, driven.fit->model(), *end, driven.iteration->seconds());
      stop_or_save(driven.requests, runner.control(), *driven.fit);
      driven.iteration.reset();
    }
  }
  runner.settle();
}

template <Scalar T>
void stop_or_save(const Requests& requests, const FitControl<T>& control, Iteration<T>& fit) {
  FittedModel<T>& model = fit.model();
  model.stopped = requests.stop && !model.converged;
  fit.save_state();
  if (control.save && (requests.checkpoint || model.stopped)) control.save(model);
}

template class Iteration<float>;
template class Iteration<double>;
template std::unique_ptr<Iteration<float>> iteration_for(PassRunner<float>&, const Seed&, FittedModel<float>&);
template std::unique_ptr<Iteration<double>> iteration_for(PassRunner<double>&, const Seed&, FittedModel<double>&);
template void drive(PassRunner<float>&, std::span<const std::unique_ptr<Iteration<float>>>);
template void drive(PassRunner<double>&, std::span<const std::unique_ptr<Iteration<double>>>);
template void stop_or_save(const Requests&, const FitControl<float>&, Iteration<float>&);
template void stop_or_save(const Requests&, const FitControl<double>&, Iteration<double>&);

}  // namespace scanmf
