#pragma once

#include <exception>
#include <functional>
#include <vector>

#include "scanmf/estimator/estimator.hpp"
#include "scanmf/solver/update_rule.hpp"

namespace scanmf {

/// What an update of H has done.
struct HUpdate {
  double violation = 0;       // NaN when an element of H, or a sum over the rows of W, is no longer finite
  double change_squared = 0;  // ‖H_new − H_old‖²
};

/// Who calls an update rule when, and the only place where ranks talk during a fit:
///
///     over        begin_pass -> visit every block -> end_pass -> small all-reduce (flags, Gram matrices, violation, divergence)
///     update_H    reduce-scatter of the n × k statistics -> finish_pass on this rank's slice of H -> all-gather of H
///                 -> small all-reduce (violation, change, HHᵀ)
template <Scalar T>
class PassRunner {
 public:
  PassRunner(DataSource<T>& x, Index n_components, const FitControl<T>& control);

  /// Collective. One pass over some batches, or over all of X. W: all local rows. An error of one rank (reading, memory) is thrown on every rank.
  void over(UpdateRule<T>& rule, Range batches, MatrixView<T> W, PassOptions options);
  void over_all(UpdateRule<T>& rule, MatrixView<T> W, const PassOptions& options) { over(rule, all_batches(), W, options); }

  /// Collective. Calls solve(block) for all blocks of this rank; it returns how many updates it has made of the block's rows of W. Errors as above.
  /// False when stop_requested (local, may be empty), asked after each batch, was true on any rank: the rest has not been visited.
  bool over_blocks(const UpdateRule<T>& rule, Range batches, const std::function<Index(const Block<T>&)>& solve,
                   const std::function<bool()>& stop_requested);

  /// Collective. The H of the rule's following passes. Each rank sums over its slice of H.
  void set_H(UpdateRule<T>& rule, const Matrix<T>& Ht);

  /// Collective. Sums the statistics of the last pass over ranks, updates H and makes it the rule's.
  HUpdate update_H(UpdateRule<T>& rule, Matrix<T>& Ht);

  /// Collective. D(X, W·H) with the H of the last set_H.
  double divergence(UpdateRule<T>& rule, MatrixView<T> W);

  Range all_batches() const { return {0, x_.partition().batches()}; }
  /// Rows of some batches, of all ranks.
  Index rows_of(Range batches) const { return x_.partition().batch(batches.end - 1).end - x_.partition().batch(batches.begin).begin; }
  /// Columns of X whose part of H this rank updates.
  Range slice() const;

  const Communicator& communicator() const { return x_.communicator(); }
  DataSource<T>& source() { return x_; }
  PhaseTimes& times() { return report_.times; }

 private:
  void visit(UpdateRule<T>& rule, Index batch, MatrixView<T> W, const PassOptions& options);
  void count(const Block<T>& block, const PassOptions& options, Index products = 1);
  /// Calls visit_all and returns what it has thrown; its time is that of `phase`, but for what it waited for data.
  template <class VisitAll>
  std::exception_ptr timed(Phase phase, VisitAll&& visit_all);

  DataSource<T>& x_;
  Index n_components_;
  const FitControl<T> control_;
  RunReport own_report_;
  RunReport& report_;
  std::vector<Index> column_offsets_;  // slices of H
  Matrix<T> slice_before_;             // this rank's, before an update
  bool weighted_ = false;
  bool sums_are_finite_ = true;  // of the last pass
};

/// What numbers that are not finite come from, and what to do: for messages.
inline constexpr const char* outgrown = "the factors have outgrown the number range; scale X, use --dtype float64, or a larger beta_loss";

/// Throws when a number that decides the run is not finite any more. what: "violation", "error", …; `iteration` names where.
void require_finite(double value, const char* what, const char* unit, Index iteration);

}  // namespace scanmf
