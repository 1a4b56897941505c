#include "estimator/transform_problem.hpp"

#include <algorithm>
#include <cmath>

#include "estimator/nmf.hpp"
#include "estimator/observed_loss.hpp"

namespace scanmf {

namespace {

/// All elements of W at the start of multiplicative updates.
template <Scalar T>
T start_from(double mean, Index components) {
  return std::sqrt(static_cast<T>(mean) / static_cast<T>(components));
}

}  // namespace

template <Scalar T>
TransformProblem<T>::TransformProblem(const DataSource<T>& x, const Matrix<T>& Ht, const Parameters& parameters,
                                      const Seed& seed)
    : batches_(0, x.partition().batches()),
      tol_(parameters.tol),
      limit_(parameters.max_iter),
      stream_(seed.stream()),
      begin_(*stream_) {
  const Shape shape = x.shape();
  const Penalties penalties = penalties_for(parameters, shape);
  const Index k = Ht.columns();
  const bool mini_batch = parameters.estimator == Estimator::minibatch_nmf;
  Loss loss = descent_loss_on(x, parameters);
  if (!mini_batch && parameters.solver == Solver::cd) {
    nothing_seen_.rule = ViolationRule();
    auto descent = descent_rows(x, parameters, k);
    if (parameters.shuffle) shuffled_ = descent.get();
    own_update_ = std::move(descent);
  } else {
    if (mini_batch) {
      nothing_seen_.rule = ChangeOfWRule();
      limit_ = parameters.effective_transform_max_iter();
    } else {
      nothing_seen_.rule = ErrorRule();
    }
    loss = loss_on(x, parameters.beta_loss);
    own_update_ = std::make_unique<MultiplicativeRows<T>>(loss, k, penalties, !mini_batch);
    start_ = start_from<T>(x.summary().mean(shape), k);
  }
  own_solver_ = std::make_unique<RowSolver<T>>(loss, x.kind(), shape.columns, k, own_update_.get(), x.observation());
  own_solver_->set_H(Ht);
  own_pass_ = std::make_unique<Pass<T>>(*own_solver_);
  pass_ = own_pass_.get();
}

template <Scalar T>
TransformProblem<T>::TransformProblem(Pass<T>& pass, Range batches, double mean, double tol, Index limit)
    : nothing_seen_{.rule = ChangeOfWRule()},
      batches_(batches),
      tol_(tol),
      limit_(limit),
      start_(start_from<T>(mean, pass.solver().components)),
      pass_(&pass) {}

template <Scalar T>
bool TransformProblem<T>::observe(StopObservations& seen, const Totals& totals, double divergence,
                                  Index updates) const {
  if (const auto* rule = std::get_if<ChangeOfWRule>(&seen.rule)) {
    seen.value = seen.relative = std::sqrt(totals[Total::change_squared]) / std::sqrt(totals[Total::norm_squared]);
    return rule->stops(seen.value, tol_);
  }
  if (auto* rule = std::get_if<ViolationRule>(&seen.rule)) {
    seen.value = totals[Total::violation];
    const bool stop = rule->stops(seen.value, tol_);
    seen.relative = rule->relative(seen.value);
    return stop;
  }
  auto& rule = std::get<ErrorRule>(seen.rule);
  seen.value = error_of(divergence);
  if (updates == 0) rule.start(seen.value);
  const bool stop = updates > 0 && rule.stops(seen.value, tol_);
  seen.relative = rule.relative(seen.value);
  return stop;
}

template <Scalar T>
void TransformProblem<T>::check(const StopObservations& seen, Index updates) const {
  if (!observes<ChangeOfWRule>()) require_finite(seen.value, measure(), "iteration", updates);
}

template <Scalar T>
const char* TransformProblem<T>::measure() const {
  if (observes<ChangeOfWRule>()) return "change of W";
  return observes<ViolationRule>() ? "violation" : "error";
}

template <Scalar T>
void TransformProblem<T>::set_order() {
  if (shuffled_ != nullptr) shuffled_->set_orders({stream_->permutation(solver().components)});
}

template <Scalar T>
void TransformProblem<T>::set_orders(Index updates) {
  if (shuffled_ == nullptr) return;
  LegacyRandom random = *begin_;
  std::vector<std::vector<Index>> orders;
  for (Index update = 0; update < updates; ++update) orders.push_back(random.permutation(solver().components));
  shuffled_->set_orders(std::move(orders));
}

template <Scalar T>
void TransformProblem<T>::leave_orders(Index updates) {
  if (shuffled_ == nullptr) return;
  for (Index update = 0; update < updates; ++update) stream_->permutation(solver().components);
}

template <Scalar T>
std::optional<Index> transform_by_passes(PassRunner<T>& runner, TransformProblem<T>& problem, MatrixView<T> W,
                                         const RunControl& control, const PassSteps& steps) {
  Pass<T>& pass = problem.pass();
  const RowPartition& partition = runner.source().partition();
  const int rank = runner.communicator().rank();
  if (steps.done == 0)
    for (Index i = partition.local_begin(problem.batches().begin, rank);
         i < partition.local_begin(problem.batches().end, rank); ++i)
      std::fill_n(W.row(i), W.columns, problem.start());
  if (!problem.solver().loss.weights) runner.guard([&] { pass.keep_projections(W.rows); });
  StopObservations seen = problem.nothing_seen();
  const auto observe = [&](Index updates) {
    if (problem.evaluates())
      runner.over(pass, problem.batches(), MatrixView<const T>(W), {.accumulate = false, .divergence = true});
    return problem.observes() &&
           problem.observe(seen, pass.totals(), problem.evaluates() ? pass.divergence() : 0, updates);
  };
  if (problem.evaluates()) observe(0);
  for (Index updates = steps.done + 1; updates <= problem.limit(); ++updates) {
    const Timer timer;
    problem.set_order();
    const Requests requests =
        runner.over(pass, problem.batches(), W, {.accumulate = false, .change = problem.change()});
    if (updates % problem.interval() != 0) continue;
    const bool stop = observe(updates);
    problem.check(seen, updates);
    runner.guard([&] {
      if (control.on_progress)
        control.on_progress({updates, problem.limit(), timer.seconds(), problem.measure(), seen.relative});
    });
    if (stop) return updates;
    if (steps.after_pass && steps.after_pass(updates, requests)) return std::nullopt;
  }
  return problem.limit();
}

namespace {

/// Passes over X that solve for the rows of W block by block.
template <Scalar T>
class BlockwiseTransform {
 public:
  BlockwiseTransform(PassRunner<T>& runner, TransformProblem<T>& problem, const std::function<bool()>& stop_requested)
      : runner_(runner),
        problem_(problem),
        solve_(problem.solver()),
        stop_requested_(stop_requested),
        seen_(problem.nothing_seen()) {}

  /// Collective. The number of updates after which the rule stops. How far to go is not known before all rows have been
  /// read: each rank takes twice what its first block alone would need. Should that not do, X is read again for more
  /// updates. nullopt: asked to stop.
  std::optional<Index> find_stop() {
    if (!problem_.can_stop()) return problem_.limit();
    Index updates = problem_.limit();
    bool is_first_block = true;
    while (true) {
      Index done = updates;
      const bool finished = pass(problem_.limit(), {.evaluate = true}, [&](const Block<T>& block, MatrixView<T> w) {
        const Index now = is_first_block ? problem_.limit() : done;
        solve_.solve(block, w, now);
        if (std::exchange(is_first_block, false)) done = guess();
        return now;
      });
      if (!finished) return std::nullopt;
      done = -runner_.communicator().max(-done);
      if (const auto stop = first_stop(done)) return *stop;
      if (done == problem_.limit()) return done;
      updates = std::min(problem_.limit(), 4 * done);
    }
  }

  /// Collective. False: asked to stop.
  bool write_W(Index updates, const BlockOfW<T>& write) {
    return pass(updates, {.evaluate = false}, [&](const Block<T>& block, MatrixView<T> w) {
      solve_.solve(block, w, updates);
      write(block.local_row, block.global_row, w);
      return updates;
    });
  }

  const StopObservations& seen() const { return seen_; }

 private:
  struct Sums {
    bool evaluate;
  };

  /// Collective. solve_rows(block, its rows of W as they start) returns the number of updates done.
  template <class SolveRows>
  bool pass(Index most_updates, Sums sums, SolveRows&& solve_rows) {
    problem_.set_orders(most_updates);
    solve_.begin({.rows = runner_.rows_of(problem_.batches()),
                  .strata = runner_.strata_of(problem_.batches()),
                  .evaluate_every = sums.evaluate && problem_.evaluates() ? problem_.interval() : 0,
                  .change = sums.evaluate && problem_.change()});
    const auto solve = [&](const Block<T>& block) {
      const Index k = problem_.solver().components;
      const MatrixView<T> w(rows_.reserve(block.rows() * k), block.rows(), k);
      std::fill_n(w.data, w.rows * k, problem_.start());
      return solve_rows(block, w);
    };
    const bool finished = runner_.over_blocks(problem_.solver(), problem_.batches(), solve, stop_requested_);
    if (finished) runner_.guard([&] { solve_.end(); });
    return finished;
  }

  bool observe(StopObservations& seen, const Totals& totals, Index updates) const {
    const double divergence =
        problem_.evaluates() ? divergence_of(problem_.solver(), totals, runner_.rows_of(problem_.batches())) : 0;
    return problem_.observe(seen, totals, divergence, updates);
  }

  /// Collective. The stop rule for all of X, within so many updates.
  std::optional<Index> first_stop(Index updates) {
    seen_ = problem_.nothing_seen();
    Totals totals = solve_.empty_totals();
    for (Index u = problem_.evaluates() ? 0 : 1; u <= updates; u += problem_.interval()) {
      runner_.sum(problem_.evaluates() ? solve_.evaluation(u) : solve_.update(u), totals);
      const bool stop = observe(seen_, totals, u);
      problem_.check(seen_, u);
      if (stop) return u;
    }
    return std::nullopt;
  }

  /// Twice the updates after which the rows so far would stop.
  Index guess() {
    StopObservations seen = problem_.nothing_seen();
    const Index step = problem_.interval();
    for (Index u = problem_.evaluates() ? 0 : 1; u <= problem_.limit(); u += step)
      if (observe(seen, problem_.evaluates() ? solve_.evaluation_so_far(u) : solve_.update_so_far(u), u))
        return std::min(problem_.limit(), std::max<Index>(20, 2 * u));
    return problem_.limit();
  }

  PassRunner<T>& runner_;
  TransformProblem<T>& problem_;
  TileSolve<T> solve_;
  const std::function<bool()> stop_requested_;
  Workspace<T> rows_;
  StopObservations seen_;
};

}  // namespace

template <Scalar T>
std::optional<Index> transform_by_blocks(PassRunner<T>& runner, TransformProblem<T>& problem, const BlockOfW<T>& write,
                                         const RunControl& control, const std::function<bool()>& stop_requested) {
  BlockwiseTransform<T> blocks(runner, problem, stop_requested);
  const Timer timer;
  const std::optional<Index> updates = blocks.find_stop();
  if (!updates || !blocks.write_W(*updates, write)) return std::nullopt;
  problem.leave_orders(*updates);
  runner.guard([&] {
    if (!control.on_progress) return;
    const double seconds = timer.seconds() / static_cast<double>(*updates);
    control.on_progress({*updates, problem.limit(), seconds, problem.measure(), blocks.seen().relative});
  });
  return updates;
}

template class TransformProblem<float>;
template class TransformProblem<double>;
template std::optional<Index> transform_by_passes(PassRunner<float>&, TransformProblem<float>&, MatrixView<float>,
                                                  const RunControl&, const PassSteps&);
template std::optional<Index> transform_by_passes(PassRunner<double>&, TransformProblem<double>&, MatrixView<double>,
                                                  const RunControl&, const PassSteps&);
template std::optional<Index> transform_by_blocks(PassRunner<float>&, TransformProblem<float>&, const BlockOfW<float>&,
                                                  const RunControl&, const std::function<bool()>&);
template std::optional<Index> transform_by_blocks(PassRunner<double>&, TransformProblem<double>&,
                                                  const BlockOfW<double>&, const RunControl&,
                                                  const std::function<bool()>&);

}  // namespace scanmf
