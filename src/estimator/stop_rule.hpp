#pragma once

#include <limits>
#include <optional>

#include "scanmf/estimator/solver_state.hpp"

namespace scanmf {

// When to stop, a small type each. All look at numbers that are summed over all ranks, and at nothing else.

/// Coordinate descent: the violation, relative to the first one.
struct ViolationRule {
  double first = -1;  // negative: none yet

  bool stops(double violation, double tol);
  /// As it is shown.
  double relative(double violation) const { return first > 0 ? violation / first : violation; }
  void save(StateNumbers& numbers) const;
  void load(const StateNumbers& numbers);
};

/// Multiplicative updates: progress of the error since the observation before (ten iterations ago), relative to the
/// error of the start. 0/0 compares false and never stops.
struct ErrorRule {
  double first = 0;
  double last = 0;

  void start(double error) { first = last = error; }
  bool stops(double error, double tol);
  double relative(double error) const { return first > 0 ? error / first : error; }
  void save(StateNumbers& numbers) const;
  void load(const StateNumbers& numbers);
};

/// Mini-batches: the change of H, or no improvement of the smoothed cost for some steps.
struct CostRule {
  double smoothed = std::numeric_limits<double>::quiet_NaN();
  double best = std::numeric_limits<double>::infinity();  // lowest smoothed cost
  Index without_improvement = 0;

  /// After a step that is not the first one. weight: b_R/(m + 1). h_change: nullopt when the step is no evidence of how
  /// H settles.
  bool stops(double cost, double weight, std::optional<double> h_change, double tol,
             std::optional<Index> max_no_improvement);
  void save(StateNumbers& numbers) const;
  void load(const StateNumbers& numbers);
};

/// Solving for W while mini-batches are fitted, and their transform: ‖W_new − W_old‖ / ‖W_new‖.
struct ChangeOfWRule {
  bool stops(double change, double tol) const { return tol > 0 && change <= tol; }
};

/// √(2·max(D, 0)).
double error_of(double divergence);

}  // namespace scanmf
