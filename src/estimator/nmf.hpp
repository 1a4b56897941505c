#pragma once

#include "estimator/iteration.hpp"
#include "scanmf/core/random.hpp"
#include "scanmf/linalg/repeated_sweeps.hpp"
#include "scanmf/solver/coordinate_descent.hpp"
#include "scanmf/solver/multiplicative.hpp"
#include "scanmf/solver/observed_descent.hpp"

namespace scanmf {

/// The penalties of a fit or transform of some rows of X, or of all.
Penalties penalties_for(const Parameters& parameters, const Shape& shape);

/// Most sweeps of coordinate descent over a factor of `rows` rows in one update, for X.
template <Scalar T>
Index most_sweeps_for(const Parameters& parameters, const DataSource<T>& x, Index rows, Index components) {
  return parameters.acceleration == Acceleration::none ? 1 : most_sweeps(x.summary().stored, rows, components);
}

/// The updates of coordinate descent on X, as much of it as is observed.
template <Scalar T>
std::unique_ptr<CoordinateDescentRows<T>> descent_rows(const DataSource<T>& x, const Parameters& parameters, Index k) {
  const Penalties penalties = penalties_for(parameters, x.shape());
  const Index most = most_sweeps_for(parameters, x, x.shape().rows, k);
  if (x.observation() == nullptr) return std::make_unique<CoordinateDescentRows<T>>(k, penalties, most);
  return std::make_unique<ObservedDescentRows<T>>(k, penalties, most);
}
template <Scalar T>
std::unique_ptr<CoordinateDescentFactor<T>> descent_factor(const DataSource<T>& x, const Parameters& parameters,
                                                           Index k) {
  const Penalties penalties = penalties_for(parameters, x.shape());
  const Index most = most_sweeps_for(parameters, x, x.shape().columns, k);
  if (x.observation() == nullptr) return std::make_unique<CoordinateDescentFactor<T>>(k, penalties, most);
  return std::make_unique<ObservedDescentFactor<T>>(k, penalties, most);
}

/// NMF with solver cd: a pass an iteration.
template <Scalar T>
class CoordinateDescentIteration : public Iteration<T> {
 public:
  /// Collective.
  CoordinateDescentIteration(PassRunner<T>& runner, const Seed& seed, FittedModel<T>& model);
  bool is_running() const override;
  Visit<T> begin(PassRunner<T>& runner) override;
  std::optional<IterationEnd> end(PassRunner<T>& runner) override;
  void save_state() override;
  std::string warning(PassRunner<T>& runner) override;

 protected:
  /// What the updates of the next pass go by: orders of components, most sweeps. W is not fitted closely to an H that
  /// is random yet: that led to worse minima.
  void begin_pass();
  /// Counts the iteration, and looks whether to stop.
  IterationEnd end_of_iteration(double violation);
  /// Counts an iteration that has no violation.
  IterationEnd end_of_rejected();

  const Parameters& parameters_;
  const std::unique_ptr<CoordinateDescentRows<T>> rows_;
  const std::unique_ptr<CoordinateDescentFactor<T>> factor_;
  RowSolver<T> solver_;
  Pass<T> pass_;

 private:
  /// Collective. What a violation is to be measured by: the sum of the elements of W·HHᵀ and Hᵀ·WᵀW, whose differences
  /// from X·Hᵀ and XᵀW it is.
  double scale_of_violation(PassRunner<T>& runner) const;

  std::shared_ptr<LegacyRandom> stream_;  // of orders: of its own, unless all come from one generator
  ViolationRule rule_;
  double violation_ = 0;  // of the last iteration
};

/// NMF with solver mu: a pass an iteration, and one more for the error of the stop rule: at the start and every ten
/// iterations.
template <Scalar T>
class MultiplicativeIteration final : public Iteration<T> {
 public:
  /// Collective.
  MultiplicativeIteration(PassRunner<T>& runner, FittedModel<T>& model);
  bool is_running() const override;
  Visit<T> begin(PassRunner<T>& runner) override;
  std::optional<IterationEnd> end(PassRunner<T>& runner) override;
  void save_state() override;

 private:
  std::optional<IterationEnd> end_of_update(PassRunner<T>& runner);
  std::optional<IterationEnd> end_of_evaluation();
  IterationEnd iteration_end(double error) const;

  const Parameters& parameters_;
  MultiplicativeRows<T> rows_;
  MultiplicativeFactor<T> factor_;
  RowSolver<T> solver_;
  Pass<T> pass_;
  ErrorRule rule_;
  bool evaluates_;  // in the next pass
};

}  // namespace scanmf
