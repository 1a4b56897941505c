#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "estimator/pass_runner.hpp"
#include "estimator/stop_rule.hpp"

namespace scanmf {

/// How an iteration ended.
struct IterationEnd {
  Index number = 0;     // of this iteration or step, as it is shown
  Index limit = 0;      // most of them
  const char* measure;  // what the stop rule looks at
  double relative;      // its newest value, as it is shown
  /// For the history, in the order of its columns: iteration and seconds stand before.
  std::vector<std::pair<const char*, double>> measured;
};

/// A fit, step by step: what its next pass over X is to do, and what is done with the sums of the pass. Whoever drives
/// it owns the control flow, so that several fits can share passes.
template <Scalar T>
class Iteration {
 public:
  explicit Iteration(FittedModel<T>& model) : model_(model) {}
  virtual ~Iteration() = default;
  Iteration(const Iteration&) = delete;
  Iteration& operator=(const Iteration&) = delete;

  FittedModel<T>& model() { return model_; }
  const FittedModel<T>& model() const { return model_; }
  /// False when it has come to its end: by the stop rule, by its limit, or because it was asked to.
  virtual bool is_running() const = 0;
  /// Collective. Gets ready for the next pass, and says what it is to do.
  virtual Visit<T> begin(PassRunner<T>& runner) = 0;
  /// Collective. Goes on with the sums of the pass over all ranks. Returns the end of the iteration; nullopt: it needs
  /// another pass.
  virtual std::optional<IterationEnd> end(PassRunner<T>& runner) = 0;
  /// Writes what the solver needs to go on into the model's state.
  virtual void save_state() = 0;
  /// Collective. What is left to do behind the last iteration, unless it was asked to stop.
  virtual void finish(PassRunner<T>&) {}
  /// Collective. What the user is to be warned of about how it ended; empty: nothing.
  virtual std::string warning(PassRunner<T>&) { return limit_warning(); }

 protected:
  /// scikit-learn's, when max_iter was reached.
  std::string limit_warning() const;

 private:
  FittedModel<T>& model_;
};

/// Collective. The iteration that the model's parameters ask for, from its factors, counters and state on. seed: of the
/// orders of coordinates.
template <Scalar T>
std::unique_ptr<Iteration<T>> iteration_for(PassRunner<T>& runner, const Seed& seed, FittedModel<T>& model);

/// Collective. The one loop of all fits, to the end of each: history, progress, checkpoints, requests to stop. All fits
/// that are still running share a pass.
template <Scalar T>
void drive(PassRunner<T>& runner, std::span<const std::unique_ptr<Iteration<T>>> fits);

/// Collective. A point at which a fit can be interrupted, with what all ranks have agreed on: a checkpoint when one is
/// due or the fit stops.
template <Scalar T>
void stop_or_save(const Requests& requests, const FitControl<T>& control, Iteration<T>& fit);

}  // namespace scanmf
