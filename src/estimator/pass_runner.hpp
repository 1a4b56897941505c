#pragma once

#include <array>
#include <exception>
#include <functional>
#include <span>
#include <vector>

#include "scanmf/estimator/estimator.hpp"
#include "scanmf/parallel/ordered_sum.hpp"
#include "scanmf/solver/pass.hpp"
#include "scanmf/solver/tile_solve.hpp"

namespace scanmf {

/// What an update of H has done.
struct HUpdate {
  double violation = 0;       // NaN when an element of H, or a sum over the rows of W, is no longer finite
  double change_squared = 0;  // ‖H_new − H_old‖²
};

/// A fit's part in a pass over X: what is done with the rows of W of some batches.
template <Scalar T>
struct Visit {
  Pass<T>* pass = nullptr;
  Range batches;
  RowsOfW<T> W;  // all local rows; updated, where it may be
  PassOptions options;
};

/// What ranks were asked for while a pass ran, the same on all.
struct Requests {
  bool stop = false;
  bool checkpoint = false;
};

/// Who calls passes when, and the only place where ranks talk during a fit:
///
///     over        begin -> visit every tile -> end -> all-reduce of flags -> ordered sum to all ranks (Gram matrices,
///                 violation, divergence)
///     update_H    ordered sum of the n × k statistics to slices -> update of this rank's slice of H -> all-gather of H
///                 -> ordered sum to all ranks (violation, change, HHᵀ)
///
/// Several fits may share a pass: each tile is handed to all of them while it is in the cache.
template <Scalar T>
class PassRunner {
 public:
  PassRunner(DataSource<T>& x, const FitControl<T>& control);

  /// Collective. One pass over X for all visits; each one's totals are then those of all ranks. Their numbers are those
  /// that each would have alone. An error of one rank (reading, memory, a callback) is thrown on every rank.
  Requests over(std::span<Visit<T>> visits);
  Requests over(Pass<T>& pass, Range batches, const RowsOfW<T>& W, const PassOptions& options);

  /// Collective. Calls solve(block) for all blocks of this rank; it returns how many updates it has made of the block's
  /// rows of W. Errors as above. False when stop_requested (local, may be empty), asked after each batch, was true on
  /// any rank: the rest has not been visited.
  bool over_blocks(const RowSolver<T>& solver, Range batches, const std::function<Index(const Block<T>&)>& solve,
                   const std::function<bool()>& stop_requested);

  /// Collective. Totals of all ranks, from those of this rank's strata.
  void sum(const NodeTotals& own, Totals& totals);

  /// Collective. The H of the passes that follow. Each rank sums over its slice of H.
  void set_H(RowSolver<T>& solver, const Matrix<T>& Ht);

  /// Collective. Sums the statistics of the last pass over ranks, updates H and makes it the pass's.
  HUpdate update_H(Pass<T>& pass, FactorUpdate<T>& factor, Matrix<T>& Ht);

  /// Collective. D(X, W·H) with the H of the last set_H.
  double divergence(Pass<T>& pass, MatrixView<const T> W);

  /// Runs what may fail on this rank alone between two collective calls, a callback for example; the next pass, or
  /// settle(), throws it on all ranks.
  void guard(const std::function<void()>& work);
  /// Collective. Throws on all ranks what guard() has caught on any since the last pass.
  void settle();

  /// Which strata this rank visits in a pass over some batches.
  Strata strata_of(Range batches) const {
    const RowPartition& partition = x_.partition();
    return {partition.strata(), partition.strata_of(x_.communicator().rank()), batches.size() == 1};
  }
  Range all_batches() const { return {0, x_.partition().batches()}; }
  /// Rows of some batches, of all ranks.
  Index rows_of(Range batches) const {
    return x_.partition().batch(batches.end - 1).end - x_.partition().batch(batches.begin).begin;
  }
  /// Columns of X whose part of H this rank updates.
  Range slice() const;

  const Communicator& communicator() const { return x_.communicator(); }
  DataSource<T>& source() { return x_; }
  PhaseTimes& times() { return report_.times; }
  const FitControl<T>& control() const { return control_; }

 private:
  void begin(std::span<Visit<T>> visits);
  void visit(Index batch, std::span<Visit<T>> visits);
  Requests sum_over_ranks(std::span<Visit<T>> visits, std::exception_ptr failure);
  /// One of the statistics: this rank's slice of it.
  void share_out(const Pass<T>& pass, Accumulator<T> PassSums<T>::*statistic, MatrixView<T> total);
  void share_out_grams(const Pass<T>& pass, MatrixView<T> total);
  void sum_to_slices(std::span<const NodeValues<T>> nodes, MatrixView<T> total);
  /// This rank's slice of H is updated; sums: violation, change, sums over groups of its columns. False: numbers that
  /// are not finite.
  bool update_slice(Pass<T>& pass, FactorUpdate<T>& factor, MatrixView<T> ht_slice);
  /// Collective. The numbers of column_sums_, over all ranks.
  std::vector<double> numbers_of_columns(std::size_t count);
  void count(const Block<T>& block, const RowSolver<T>& solver, const PassOptions& options, Index updates = 1);
  /// Calls visit_all and returns what it has thrown; its time is that of `phase`, but for what it waited for data.
  template <class VisitAll>
  std::exception_ptr timed(Phase phase, VisitAll&& visit_all);

  DataSource<T>& x_;
  const FitControl<T> control_;
  RunReport own_report_;
  RunReport& report_;
  std::vector<Index> column_offsets_;  // slices of H
  OrderedSum over_strata_;
  OrderedSum over_columns_;
  TreeSum<ColumnNumbers> column_sums_;
  Workspace<T> slice_before_;       // this rank's, before an update
  std::vector<double> violations_;  // of its columns
  std::exception_ptr pending_;      // of guard()
};

/// What numbers that are not finite come from, and what to do: for messages.
inline constexpr const char* outgrown =
    "the factors have outgrown the number range; scale X, use --dtype float64, or a larger beta_loss";

/// Throws when a number that decides the run is not finite any more. what: "violation", "error", …; `iteration` names
/// where.
void require_finite(double value, const char* what, const char* unit, Index iteration);

}  // namespace scanmf
