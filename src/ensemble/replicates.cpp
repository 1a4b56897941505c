#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "ensemble/connectivity.hpp"
#include "ensemble/cross_validation.hpp"
#include "ensemble/options.hpp"
#include "ensemble/replicate_store.hpp"
#include "ensemble/resampled_source.hpp"
#include "ensemble/spectra.hpp"
#include "ensemble/stop_rule.hpp"
#include "estimator/factor_memory.hpp"
#include "parallel/groups.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/log.hpp"
#include "scanmf/linalg/threads.hpp"
#include "scanmf/parallel/environment.hpp"

namespace scanmf {
namespace {

/// Of the memory that is free beside X, for factors and statistics of fits that run together.
constexpr double share_for_fits = 0.5;

/// Fits that share a pass over X in memory: it comes into the cache once for all of them, and their sums go in one
/// message; more of them only push one another's factors out of the cache.
constexpr Index together_in_memory = 4;

/// How long the replicates that are left will take, from what those that are done have taken.
class Forecast {
 public:
  void add(const Replicate& replicate) { done_components_ += static_cast<double>(replicate.k); }
  double seconds_left(double components_left) const {
    if (done_components_ <= 0) return std::numeric_limits<double>::quiet_NaN();
    return timer_.seconds() * components_left / done_components_;
  }

 private:
  Timer timer_;
  double done_components_ = 0;
};

}  // namespace

/// What the groups of ranks have in common while they work, and what each has done.
template <Scalar T>
struct EnsembleJob<T>::Work {
  Work(const Communicator& all, const Communicator& group, const EnsembleControl& control, const std::string& file)
      : next(all), finished(all), stop(group, control, file) {}

  SharedCounter next;      // batch that nobody has taken
  SharedCounter finished;  // replicates, of all groups
  EnsembleStop stop;
  std::vector<std::vector<Index>>
      batches;             // of replicates that are left, the most expensive first; the same everywhere
  Index before = 0;        // replicates that were done already
  Index furthest = 0;      // iteration of the batch that was fitted last
  Index running = 0;       // fits of that batch
  std::vector<Index> own;  // replicates that this group has fitted
  Forecast forecast;
};

template <Scalar T>
EnsembleJob<T>::EnsembleJob(const Communicator& comm, MatrixIdentity x, const Parameters& parameters,
                            EnsembleOptions options, EnsembleControl control)
    : comm_(comm),
      groups_(std::make_unique<RankGroups>(comm, control.groups)),
      x_(std::move(x)),
      parameters_(parameters),
      options_(std::move(options)),
      control_(std::move(control)) {
  parameters_.init = Init::random;
  parameters_.n_components_auto = false;
  std::vector<std::string> mistakes = parameters_.validate();
  for (std::string& mistake : mistakes_of(options_, parameters_)) mistakes.push_back(std::move(mistake));
  if (!mistakes.empty()) throw UsageError(fmt::format("{}", fmt::join(mistakes, "\n")));
  require_memory();
  const Index labelled_rows = std::min(options_.connectivity_rows, x_.shape.rows);
  require_memory_for_connectivity(comm_, labelled_rows, options_.replicates);
  const StoreLayout layout{options_.ks, options_.replicates, x_.shape.columns, static_cast<Index>(sizeof(T)),
                           labelled_rows};
  Attributes belongs_to = parameter_attributes(parameters_, parameters_.random_state.value_or(0));
  const auto varies = [this](const auto& entry) {
    return entry.first == "n_components" || entry.first == "verbose" ||
           (entry.first == "random_state" && !parameters_.random_state);
  };
  std::erase_if(belongs_to, varies);
  belongs_to.emplace_back("k", fmt::format("{}", fmt::join(options_.ks, ",")));
  belongs_to.emplace_back("replicates", options_.replicates);
  for (auto& option : replicate_attributes(options_)) belongs_to.push_back(std::move(option));
  belongs_to.emplace_back("X", x_.fingerprint);
  belongs_to.emplace_back("dtype", std::string(name_of(data_type_of<T>)));
  store_ = std::make_unique<ReplicateStore>(comm_, layout, control_, belongs_to,
                                            [this] { return choose_seed(comm_, parameters_); });
  random_state_ = store_->random_state();
  seeds_ = replicate_seeds(random_state_, layout.count());
  labelled_rows_ = sampled_rows(random_state_, x_.shape.rows, labelled_rows);
}

template <Scalar T>
EnsembleJob<T>::~EnsembleJob() = default;

template <Scalar T>
const Communicator& EnsembleJob<T>::group() const {
  return groups_->own();
}

template <Scalar T>
Parameters EnsembleJob<T>::parameters_of(Index k, std::uint32_t seed, const Shape& shape) const {
  Parameters parameters = parameters_;
  parameters.n_components = k;
  parameters.random_state = seed;
  parameters.random_generator = resolve_random_generator(parameters, shape, k);
  return parameters;
}

/// Collective. Throws AgreedError when the spectra of the largest k are too many to be compared with one another,
/// beside the H of every k.
template <Scalar T>
void EnsembleJob<T>::require_memory() const {
  const Index k = options_.ks.back();
  const Index n = x_.shape.columns;
  const Index components = std::accumulate(options_.ks.begin(), options_.ks.end(), Index{0});
  const double needed = consensus_bytes(k, options_.replicates, n, comm_.size()) +
                        static_cast<double>(components) * static_cast<double>(n) * sizeof(T);
  const double free = least_available(comm_);
  if (needed <= free) return;
  throw AgreedError(fmt::format(
      "the consensus of {} replicates with {} components needs {:.3g} GB on a rank, {:.3g} GB are free there: use more "
      "ranks or nodes, or fewer replicates",
      options_.replicates, k, needed / 1e9, free / 1e9));
}

/// Collective. For each k: how many fits may share a pass beside X, as far as memory is concerned.
template <Scalar T>
std::vector<Index> EnsembleJob<T>::fits_beside(const DataSource<T>& x) const {
  const double free = share_for_fits * least_available(comm_);
  const auto ranks = static_cast<int>(-comm_.max<Index>(-group().size()));
  const HeldSums sums = held_sums(comm_, x.kind(), x.shape(), x.summary().stored, ranks);
  const bool streamed = comm_.max<Index>(x.in_memory() ? 0 : 1) > 0;
  const double most = streamed ? 1e6 : together_in_memory;
  const ObservedSums observed = observed_sums(parameters_, options_, x.kind());
  std::vector<Index> fits;
  for (const Index k : options_.ks) {
    const FactorBytes bytes = factor_bytes(x.shape(), k, data_type_of<T>, sums, ranks, observed);
    fits.push_back(static_cast<Index>(std::clamp(free / bytes.all(), 1.0, most)));
  }
  return fits;
}

template <Scalar T>
std::vector<std::vector<Index>> EnsembleJob<T>::batches_left(const DataSource<T>& x) const {
  const StoreLayout& layout = store_->layout();
  // Mini-batches of one fit change H before the next one is read, resampled X are several: there is no pass to share.
  const bool alone = parameters_.estimator == Estimator::minibatch_nmf || options_.resample != Resampling::none;
  // Every group is to have something to do.
  const Index share = (options_.replicates + groups_->count() - 1) / groups_->count();
  const Index bound = store_->most_together();
  const Index most = alone ? 1 : bound > 0 ? std::min(bound, share) : share;
  const std::vector<Index> fits = fits_beside(x);
  std::vector<std::vector<Index>> batches;
  for (std::size_t i = options_.ks.size(); i-- > 0;) {
    const auto size = static_cast<std::size_t>(std::min(most, fits[i]));
    const Index first = static_cast<Index>(i) * layout.replicates;
    std::vector<Index> batch;
    for (Index number = first; number < first + layout.replicates; ++number) {
      if (store_->at(number)) continue;
      batch.push_back(number);
      if (batch.size() == size) batches.push_back(std::exchange(batch, {}));
    }
    if (!batch.empty()) batches.push_back(std::move(batch));
  }
  return batches;
}

template <Scalar T>
void EnsembleJob<T>::tell_progress(Index running, Index iteration, Work& work) const {
  if (!control_.on_progress) return;
  const Index done = comm_.is_root() ? work.before + work.finished.add(0) : store_->done();
  double left = 0;  // components of replicates that nobody has begun
  if (comm_.is_root()) {
    const auto taken = std::min(static_cast<std::size_t>(work.next.add(0)), work.batches.size());
    for (std::size_t i = taken; i < work.batches.size(); ++i)
      left += static_cast<double>(store_->layout().k_of(work.batches[i].front())) *
              static_cast<double>(work.batches[i].size());
  }
  const double seconds_left = work.forecast.seconds_left(left / groups_->count());
  control_.on_progress({done, store_->layout().count(), running, iteration, seconds_left});
}

template <Scalar T>
std::vector<FittedModel<T>> EnsembleJob<T>::fit_batch(DataSource<T>& whole, std::span<const Index> numbers,
                                                      Work& work) {
  std::vector<FitTask<T>> tasks;
  std::unique_ptr<DataSource<T>> drawn;
  {
    RunReport unused;
    const PhaseTimer timer((control_.report != nullptr ? *control_.report : unused).times, Phase::initialise);
    drawn = resampled(whole, options_, seeds_[static_cast<std::size_t>(numbers.front())], control_.memory,
                      groups_->count());
    DataSource<T>& x = drawn ? *drawn : whole;
    for (const Index number : numbers) {
      const std::uint32_t seed = seeds_[static_cast<std::size_t>(number)];
      FitTask<T> task{parameters_of(store_->layout().k_of(number), seed, x.shape()), seed, {}};
      task.initial = std::move(unfitted_model(x, task.parameters, task.seed).factors);
      tasks.push_back(std::move(task));
    }
  }
  work.running = static_cast<Index>(numbers.size());
  work.furthest = 0;
  FitControl<T> control;
  control.report = control_.report;
  control.stop_requested = [&work] { return work.stop.is_asked(); };
  control.on_progress = [&](const Progress& now) {
    work.stop.iteration_done(now.seconds);
    if (now.iteration <= work.furthest) return;
    work.furthest = now.iteration;
    tell_progress(work.running, work.furthest, work);
  };
  return fit_together(drawn ? *drawn : whole, std::move(tasks), control);
}

/// Collective over the group: what is done is written.
template <Scalar T>
void EnsembleJob<T>::keep(const RowPartition& partition, std::span<const Index> numbers,
                          const std::vector<FittedModel<T>>& models, Work& work) {
  const StoreLayout& layout = store_->layout();
  for (std::size_t i = 0; i < models.size(); ++i) {
    const FittedModel<T>& model = models[i];
    if (model.stopped) continue;
    const Index number = numbers[i];
    const Replicate replicate{layout.k_of(number),
                              number % layout.replicates,
                              seeds_[static_cast<std::size_t>(number)],
                              model.reconstruction_err,
                              model.n_iter,
                              model.converged};
    const auto labels = labels_of<T>(group(), partition, model.factors.W, labelled_rows_);
    group().agree([&] {
      if (!group().is_root()) return;
      store_->put(number, replicate, model.factors.Ht, labels);
      work.finished.add(1);
    });
    store_->mark(number, replicate);
    work.own.push_back(number);
    work.forecast.add(replicate);
    if (control_.on_replicate) control_.on_replicate(replicate);
  }
}

/// Collective over the group: takes batches until there are none, or somebody asks to stop.
template <Scalar T>
void EnsembleJob<T>::take_share(DataSource<T>& x, Work& work) {
  const auto all = static_cast<Index>(work.batches.size());
  while (true) {
    Index taken = 0;
    if (group().is_root()) taken = work.next.add(1);
    group().broadcast(std::span<Index>(&taken, 1));
    if (taken >= all) return;
    const std::vector<Index>& batch = work.batches[static_cast<std::size_t>(taken)];
    keep(x.partition(), batch, fit_batch(x, batch, work), work);
    stop_reason_ = work.stop.reason();
    if (!stop_reason_.empty()) {
      if (group().is_root()) work.next.add(all);  // the others take nothing more
      return;
    }
    tell_progress(0, 0, work);
  }
}

/// Collective. Every rank learns what all groups have done, and why they stopped.
template <Scalar T>
void EnsembleJob<T>::share(Work& work) {
  std::vector<bool> known(static_cast<std::size_t>(store_->layout().count()));
  for (std::size_t i = 0; i < known.size(); ++i) known[i] = store_->at(static_cast<Index>(i)).has_value();
  store_->share(group().is_root() ? work.own : std::vector<Index>{});
  bool others_were_last = false;
  for (std::size_t i = 0; i < known.size(); ++i) {
    const auto& one = store_->at(static_cast<Index>(i));
    if (!one || known[i]) continue;
    others_were_last = true;
    if (control_.on_replicate) control_.on_replicate(*one);
  }
  if (others_were_last) tell_progress(0, 0, work);
  note_stop(work.stop);
}

/// Collective. Every rank learns why a group has stopped, if one has; a stop file has done its work.
template <Scalar T>
void EnsembleJob<T>::note_stop(const EnsembleStop& stop) {
  for (const std::string& reason : comm_.allgather(stop_reason_))
    if (stop_reason_.empty()) stop_reason_ = reason;
  if (!stop_reason_.empty() && comm_.is_root()) stop.remove_file();
}

/// Collective. `running` fits that shared passes (on root) may all be cut off by the time limit, in each run anew: in
/// the next one `next` share it.
template <Scalar T>
void EnsembleJob<T>::tell_of_no_progress(const char* what, Index running, Index next) {
  if (stop_reason_ != EnsembleStop::time_is_up) return;
  comm_.agree([&] {
    if (comm_.is_root() && running > 0) store_->set_most_together(next);
  });
  if (!comm_.is_root() || running == 0) return;
  log_warning(fmt::format(
      "not one {} came to an end in this run: {}", what,
      running > 1 ? fmt::format("{} shared its time, in the next one {} will", running, next)
                  : "one needs more time than this (--max-time), fewer iterations (--max-iter), or more ranks"));
}

template <Scalar T>
bool EnsembleJob<T>::run(DataSource<T>& x) {
  Work work(comm_, group(), control_, store_->checkpoint_file());
  work.batches = batches_left(x);
  work.before = store_->done();
  had_all_ = work.before == store_->layout().count();
  require_memory();  // beside X
  require_cross_validation(x, options_);
  comm_.agree([&] {  // one group may fail alone
    try {
      if (!work.batches.empty()) check_resampling(x, options_.resample);
      take_share(x, work);
    } catch (...) {
      work.next.add(static_cast<Index>(work.batches.size()));  // the others take nothing more
      throw;
    }
  });
  share(work);
  if (store_->done() == work.before)
    tell_of_no_progress("replicate", work.running,
                        std::max<Index>(1, work.running * work.furthest / (parameters_.max_iter + 1)));
  return store_->done() == store_->layout().count();
}

template <Scalar T>
std::string EnsembleJob<T>::stop_reason() const {
  return stop_reason_;
}

template <Scalar T>
std::string EnsembleJob<T>::checkpoint_file() const {
  return store_->checkpoint_file();
}

template <Scalar T>
Index EnsembleJob<T>::done() const {
  return store_->done();
}

template <Scalar T>
Index EnsembleJob<T>::limited() const {
  Index count = 0;
  for (Index i = 0; i < store_->layout().count(); ++i) count += store_->at(i) && !store_->at(i)->converged ? 1 : 0;
  return count;
}

template <Scalar T>
void EnsembleJob<T>::remove_checkpoint() {
  store_->remove();
}

template class EnsembleJob<float>;
template class EnsembleJob<double>;

}  // namespace scanmf
