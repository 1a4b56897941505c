#include "estimator/transform_problem.hpp"

#include <algorithm>
#include <cmath>

#include "estimator/nmf.hpp"

namespace scanmf {

template <Scalar T>
TransformProblem<T>::TransformProblem(const DataSource<T>& x, const Matrix<T>& Ht, const Parameters& parameters, const Seed& seed)
    : kind_(parameters.estimator == Estimator::minibatch_nmf ? Kind::mini_batch
            : parameters.solver == Solver::mu                ? Kind::multiplicative
                                                             : Kind::descent),
      batches_(0, x.partition().batches()),
      tol_(parameters.tol),
      limit_(kind_ == Kind::mini_batch ? parameters.effective_transform_max_iter() : parameters.max_iter),
      components_(Ht.columns()),
      shuffle_(parameters.shuffle),
      stream_(seed.stream()),
      begin_(*stream_) {
  const Shape shape = x.shape();
  const Penalties penalties = penalties_of(parameters.alpha_W, parameters.effective_alpha_H(), parameters.l1_ratio, shape.columns, shape.rows);
  if (kind_ == Kind::descent) {
    auto descent = std::make_unique<CoordinateDescent<T>>(x.kind(), shape.columns, components_, penalties);
    descent_ = descent.get();
    own_rule_ = std::move(descent);
  } else {
    const bool zero_small_W = kind_ == Kind::multiplicative;
    own_rule_ = std::make_unique<Multiplicative<T>>(x.kind(), shape.columns, components_, parameters.beta_loss, penalties, zero_small_W);
    start_ = std::sqrt(static_cast<T>(x.summary().mean(shape)) / static_cast<T>(components_));
  }
  rule_ = own_rule_.get();
  rule_->set_H(Ht);
}

template <Scalar T>
TransformProblem<T>::TransformProblem(Multiplicative<T>& rule, Range batches, double mean, double tol, Index limit)
    : kind_(Kind::mini_batch),
      batches_(batches),
      tol_(tol),
      limit_(limit),
      components_(rule.components()),
      rule_(&rule),
      start_(std::sqrt(static_cast<T>(mean) / static_cast<T>(components_))) {}

template <Scalar T>
bool TransformProblem<T>::observe(StopObservations& seen, Index updates) const {
  if (kind_ == Kind::mini_batch) {
    seen.value = seen.relative = std::sqrt(rule_->sum(PassSum::change_squared)) / std::sqrt(rule_->sum(PassSum::norm_squared));
    return tol_ > 0 && seen.value <= tol_;
  }
  seen.value = kind_ == Kind::descent ? rule_->sum(PassSum::violation) : error_of(rule_->divergence());
  if (updates <= (kind_ == Kind::descent ? 1 : 0)) seen.first = seen.last = seen.value;
  seen.relative = seen.first > 0 ? seen.value / seen.first : 0;
  if (kind_ == Kind::descent) return seen.first == 0 || seen.relative <= tol_;
  const double before = std::exchange(seen.last, seen.value);
  return updates > 0 && (before - seen.value) / seen.first < tol_;
}

template <Scalar T>
void TransformProblem<T>::check(const StopObservations& seen, Index updates) const {
  if (kind_ != Kind::mini_batch) require_finite(seen.value, measure(), "iteration", updates);
}

template <Scalar T>
const char* TransformProblem<T>::measure() const {
  if (kind_ == Kind::mini_batch) return "change of W";
  return kind_ == Kind::descent ? "violation" : "error";
}

template <Scalar T>
void TransformProblem<T>::set_order() {
  if (shuffles()) descent_->set_orders(stream_->permutation(components_), {});
}

template <Scalar T>
void TransformProblem<T>::set_orders(Index updates) {
  if (!shuffles()) return;
  LegacyRandom random = *begin_;
  std::vector<std::vector<Index>> orders;
  for (Index update = 0; update < updates; ++update) orders.push_back(random.permutation(components_));
  descent_->set_solve_orders(std::move(orders));
}

template <Scalar T>
void TransformProblem<T>::leave_orders(Index updates) {
  if (!shuffles()) return;
  for (Index update = 0; update < updates; ++update) stream_->permutation(components_);
}

template <Scalar T>
std::optional<Index> transform_by_passes(PassRunner<T>& runner, TransformProblem<T>& problem, MatrixView<T> W, const RunControl& control,
                                         const PassSteps& steps) {
  UpdateRule<T>& rule = problem.rule();
  const RowPartition& partition = runner.source().partition();
  const int rank = runner.communicator().rank();
  if (steps.done == 0)
    for (Index i = partition.local_begin(problem.batches().begin, rank); i < partition.local_begin(problem.batches().end, rank); ++i)
      std::fill_n(W.row(i), W.columns, problem.start());
  if (rule.beta() == 2) rule.keep_projections(W.rows);
  const auto evaluate = [&] { runner.over(rule, problem.batches(), W, {.update_W = false, .accumulate = false, .divergence = true}); };
  StopObservations seen;
  if (problem.evaluates()) {
    evaluate();
    problem.observe(seen, 0);
  }
  for (Index updates = steps.done + 1; updates <= problem.limit(); ++updates) {
    const Timer timer;
    problem.set_order();
    runner.over(rule, problem.batches(), W, {.update_W = true, .accumulate = false, .change = problem.change()});
    if (updates % problem.interval() != 0) continue;
    if (problem.evaluates()) evaluate();
    const bool stop = problem.observes() && problem.observe(seen, updates);
    problem.check(seen, updates);
    if (control.on_progress) control.on_progress({updates, problem.limit(), timer.seconds(), problem.measure(), seen.relative});
    if (stop) return updates;
    if (steps.after_pass && steps.after_pass(updates)) return std::nullopt;
  }
  return problem.limit();
}

namespace {

/// Passes over X that solve for the rows of W block by block.
template <Scalar T>
class BlockwiseTransform {
 public:
  BlockwiseTransform(PassRunner<T>& runner, TransformProblem<T>& problem, const std::function<bool()>& stop_requested)
      : runner_(runner), problem_(problem), rule_(problem.rule()), stop_requested_(stop_requested) {}

  /// Collective. The number of updates after which the rule stops. How far to go is not known before all rows have been read: each rank takes twice
  /// what its first block alone would need. Should that not do, X is read again for more updates. nullopt: asked to stop.
  std::optional<Index> find_stop() {
    if (!problem_.can_stop()) return problem_.limit();
    Index updates = problem_.limit();
    bool is_first_block = true;
    while (true) {
      Index done = updates;
      const bool finished = pass(problem_.limit(), {.evaluate = true}, [&](const Block<T>& block, MatrixView<T> w) {
        const Index now = is_first_block ? problem_.limit() : done;
        rule_.solve(block, w, now);
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
      rule_.solve(block, w, updates);
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
    rule_.begin_solve({.rows = runner_.rows_of(problem_.batches()),
                       .evaluate_every = sums.evaluate && problem_.evaluates() ? problem_.interval() : 0,
                       .change = sums.evaluate && problem_.change()});
    const auto solve = [&](const Block<T>& block) {
      const Index k = rule_.components();
      const MatrixView<T> w(rows_.reserve(block.rows() * k), block.rows(), k);
      std::fill_n(w.data, w.rows * k, problem_.start());
      return solve_rows(block, w);
    };
    return runner_.over_blocks(rule_, problem_.batches(), solve, stop_requested_);
  }

  bool recall_and_observe(StopObservations& seen, Index updates, bool of_all_ranks) {
    if (problem_.evaluates())
      rule_.recall_evaluation(updates);
    else
      rule_.recall_update(updates);
    if (of_all_ranks) runner_.communicator().allreduce_sum(rule_.small_sums());
    return problem_.observe(seen, updates);
  }

  /// Collective. The stop rule for all of X, within so many updates.
  std::optional<Index> first_stop(Index updates) {
    seen_ = {};
    for (Index u = problem_.evaluates() ? 0 : 1; u <= updates; u += problem_.interval()) {
      const bool stop = recall_and_observe(seen_, u, true);
      problem_.check(seen_, u);
      if (stop) return u;
    }
    return std::nullopt;
  }

  /// Twice the updates after which the rows so far would stop.
  Index guess() {
    StopObservations seen;
    const Index step = problem_.interval();
    for (Index u = problem_.evaluates() ? 0 : 1; u <= problem_.limit(); u += step)
      if (recall_and_observe(seen, u, false)) return std::min(problem_.limit(), std::max<Index>(20, 2 * u));
    return problem_.limit();
  }

  PassRunner<T>& runner_;
  TransformProblem<T>& problem_;
  UpdateRule<T>& rule_;
  const std::function<bool()> stop_requested_;
  Workspace<T> rows_;
  StopObservations seen_;
};

}  // namespace

template <Scalar T>
std::optional<Index> transform_by_blocks(PassRunner<T>& runner, TransformProblem<T>& problem, const BlockOfW<T>& write, const RunControl& control,
                                         const std::function<bool()>& stop_requested) {
  BlockwiseTransform<T> blocks(runner, problem, stop_requested);
  const Timer timer;
  const std::optional<Index> updates = blocks.find_stop();
  if (!updates || !blocks.write_W(*updates, write)) return std::nullopt;
  problem.leave_orders(*updates);
  if (control.on_progress)
    control.on_progress({*updates, problem.limit(), timer.seconds() / static_cast<double>(*updates), problem.measure(), blocks.seen().relative});
  return updates;
}

template class TransformProblem<float>;
template class TransformProblem<double>;
template std::optional<Index> transform_by_passes(PassRunner<float>&, TransformProblem<float>&, MatrixView<float>, const RunControl&,
                                                  const PassSteps&);
template std::optional<Index> transform_by_passes(PassRunner<double>&, TransformProblem<double>&, MatrixView<double>, const RunControl&,
                                                  const PassSteps&);
template std::optional<Index> transform_by_blocks(PassRunner<float>&, TransformProblem<float>&, const BlockOfW<float>&, const RunControl&,
                                                  const std::function<bool()>&);
template std::optional<Index> transform_by_blocks(PassRunner<double>&, TransformProblem<double>&, const BlockOfW<double>&, const RunControl&,
                                                  const std::function<bool()>&);

}  // namespace scanmf
