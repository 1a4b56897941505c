#pragma once

#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "estimator/pass_runner.hpp"
#include "estimator/stop_rule.hpp"
#include "scanmf/core/random.hpp"
#include "scanmf/solver/coordinate_descent.hpp"
#include "scanmf/solver/multiplicative.hpp"

namespace scanmf {

/// What a stop rule has seen so far.
struct StopObservations {
  std::variant<ViolationRule, ErrorRule, ChangeOfWRule> rule;
  double value = 0;                                            // newest
  double relative = std::numeric_limits<double>::quiet_NaN();  // newest, as it is shown
};

/// Solving for W of some batches with H fixed, as the estimator's transform does it: the updates, where W starts, and
/// the stop rule, which looks at all rows at once.
template <Scalar T>
class TransformProblem {
 public:
  /// Of all rows.
  TransformProblem(const DataSource<T>& x, const Matrix<T>& Ht, const Parameters& parameters, const Seed& seed);
  /// Of some batches while MiniBatchNMF fits (scikit-learn's _solve_W). pass: its solver has its H and penalties. mean:
  /// of these rows of X.
  TransformProblem(Pass<T>& pass, Range batches, double mean, double tol, Index limit);

  Pass<T>& pass() { return *pass_; }
  RowSolver<T>& solver() { return pass_->solver(); }
  const RowSolver<T>& solver() const { return pass_->solver(); }
  T start() const { return start_; }      // all elements of W
  Index limit() const { return limit_; }  // most updates
  Range batches() const { return batches_; }
  bool change() const { return observes<ChangeOfWRule>(); }

  /// Updates from one observation of the stop rule to the next.
  Index interval() const { return evaluates() ? 10 : 1; }
  /// True when the rule observes D, after an evaluation (the first one of the start), not the totals of an update.
  bool evaluates() const { return observes<ErrorRule>() && tol_ > 0; }
  /// False when there is nothing to observe: multiplicative updates without a stop rule.
  bool observes() const { return !observes<ErrorRule>() || evaluates(); }
  /// False when all updates are done whatever the rule sees.
  bool can_stop() const { return observes<ViolationRule>() || tol_ > 0; }
  StopObservations nothing_seen() const { return nothing_seen_; }
  /// Looks at what so many updates have made: totals, and D where the rule evaluates. True: stop here.
  bool observe(StopObservations& seen, const Totals& totals, double divergence, Index updates) const;
  /// Throws when what the newest observation was made of is not finite any more.
  void check(const StopObservations& seen, Index updates) const;
  /// What the rule observes.
  const char* measure() const;

  /// The order of components in the next update of a pass.
  void set_order();
  /// The orders of components of tiles that are solved anew to their end, for so many updates.
  void set_orders(Index updates);
  /// The stream of orders goes to where so many updates of a pass would have left it.
  void leave_orders(Index updates);

 private:
  template <class Rule>
  bool observes() const {
    return std::holds_alternative<Rule>(nothing_seen_.rule);
  }

  StopObservations nothing_seen_;  // with the kind of rule
  Range batches_;
  double tol_;
  Index limit_;
  std::shared_ptr<LegacyRandom> stream_;  // of orders, when there may be any
  std::optional<LegacyRandom> begin_;     // as it was at first
  T start_ = 0;
  // Of its own, in the order in which they refer to each other
  std::unique_ptr<RowUpdate<T>> own_update_;
  std::unique_ptr<RowSolver<T>> own_solver_;
  std::unique_ptr<Pass<T>> own_pass_;
  Pass<T>* pass_;
  CoordinateDescentRows<T>* shuffled_ = nullptr;  // the update, if its orders of components are drawn
};

/// Takes rows of W, which begin at a row of this rank's W and of all of W.
template <Scalar T>
using BlockOfW = std::function<void(Index local_row, Index global_row, MatrixView<const T> rows)>;

/// Solving by passes that can be stopped after each one and gone on with.
struct PassSteps {
  Index done = 0;  // updates that W has had
  /// True, on all ranks alike: stop here. May be empty.
  std::function<bool(Index updates, const Requests& requests)> after_pass;
};

/// Collective. All rows of this rank at once, by passes over X that do one update each. W: all local rows. Returns the
/// updates done; nullopt: stopped.
template <Scalar T>
std::optional<Index> transform_by_passes(PassRunner<T>& runner, TransformProblem<T>& problem, MatrixView<T> W,
                                         const RunControl& control, const PassSteps& steps = {});

/// Collective. The same W, to the bit, one block after the other: X is read twice, W is handed out as it arises.
/// Returns the updates done; nullopt: stop_requested, asked after each batch, was true on some rank.
template <Scalar T>
std::optional<Index> transform_by_blocks(PassRunner<T>& runner, TransformProblem<T>& problem, const BlockOfW<T>& write,
                                         const RunControl& control, const std::function<bool()>& stop_requested = {});

}  // namespace scanmf
