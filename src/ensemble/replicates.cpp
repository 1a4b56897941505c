#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <numeric>

#include "ensemble/replicate_store.hpp"
#include "ensemble/spectra.hpp"
#include "ensemble/stop_rule.hpp"
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
  void add(const Replicate& replicate) {
    done_work_ += static_cast<double>(replicate.k * replicate.n_iter);
    done_components_ += static_cast<double>(replicate.k);
  }
  double seconds_left(double components_left) const {
    if (done_work_ <= 0) return std::numeric_limits<double>::quiet_NaN();
    return timer_.seconds() * components_left / done_components_;
  }

 private:
  Timer timer_;
  double done_work_ = 0;
  double done_components_ = 0;
};

/// Throws AgreedError when the spectra of the largest k are too many to be compared with one another.
void require_memory(const Communicator& comm, const EnsembleOptions& options, Index n_features) {
  const double needed = consensus_bytes(options.ks.back(), options.replicates, n_features, comm.size());
  const double free = -comm.max(-static_cast<double>(available_memory(comm)));
  if (needed <= free) return;
  throw AgreedError(fmt::format(
      "the consensus of {} replicates with {} components needs {:.3g} GB on a rank, {:.3g} GB are free there: use more "
      "ranks or nodes, or fewer replicates",
      options.replicates, options.ks.back(), needed / 1e9, free / 1e9));
}

std::string mistakes_of(const EnsembleOptions& options) {
  if (options.ks.empty()) return "an ensemble needs at least one number of components (option '-k')";
  if (options.replicates < 1) return "an ensemble needs at least one replicate (option '--replicates')";
  if (!(options.neighbourhood > 0 && options.neighbourhood <= 1))
    return "the neighbourhood must be more than 0 and at most 1 (option '--neighbourhood')";
  if (!(options.density_threshold > 0)) return "the density threshold must be more than 0";
  return {};
}

}  // namespace

template <Scalar T>
EnsembleJob<T>::EnsembleJob(const Communicator& comm, MatrixIdentity x, const Parameters& parameters,
                            EnsembleOptions options, EnsembleControl control)
    : comm_(comm),
      x_(std::move(x)),
      parameters_(parameters),
      options_(std::move(options)),
      control_(std::move(control)) {
  parameters_.init = Init::random;
  parameters_.n_components_auto = false;
  std::vector<std::string> mistakes = parameters_.validate();
  if (std::string mistake = mistakes_of(options_); !mistake.empty()) mistakes.push_back(std::move(mistake));
  if (parameters_.estimator != Estimator::nmf) mistakes.emplace_back("an ensemble is of the estimator nmf");
  if (!mistakes.empty()) throw UsageError(fmt::format("{}", fmt::join(mistakes, "\n")));
  require_memory(comm_, options_, x_.shape.columns);
  const StoreLayout layout{options_.ks, options_.replicates, x_.shape.columns, static_cast<Index>(sizeof(T))};
  Attributes belongs_to = parameter_attributes(parameters_, parameters_.random_state.value_or(0));
  const auto varies = [this](const auto& entry) {
    return entry.first == "n_components" || entry.first == "verbose" ||
           (entry.first == "random_state" && !parameters_.random_state);
  };
  std::erase_if(belongs_to, varies);
  belongs_to.emplace_back("k", fmt::format("{}", fmt::join(options_.ks, ",")));
  belongs_to.emplace_back("replicates", options_.replicates);
  belongs_to.emplace_back("X", x_.fingerprint);
  belongs_to.emplace_back("dtype", std::string(name_of(data_type_of<T>)));
  store_ = std::make_unique<ReplicateStore>(comm_, layout, control_, belongs_to,
                                            [this] { return choose_seed(comm_, parameters_); });
  random_state_ = store_->random_state();
  seeds_ = replicate_seeds(random_state_, layout.count());
}

template <Scalar T>
EnsembleJob<T>::~EnsembleJob() = default;

template <Scalar T>
Parameters EnsembleJob<T>::parameters_of(Index k, std::uint32_t seed, const Shape& shape) const {
  Parameters parameters = parameters_;
  parameters.n_components = k;
  parameters.random_state = seed;
  parameters.random_generator = resolve_random_generator(parameters, shape, k);
  return parameters;
}

template <Scalar T>
Index EnsembleJob<T>::batch_size(const DataSource<T>& x, Index k) const {
  const auto free = -comm_.max(-static_cast<double>(available_memory(comm_)));
  const double element = static_cast<double>(sizeof(T)) * static_cast<double>(k);
  const double statistics = element * static_cast<double>(x.shape().columns) * (4.0 + 2.0 * thread_count());
  const double W = 2 * element * static_cast<double>(x.shape().rows) / comm_.size();
  const double fits = share_for_fits * free / comm_.max(statistics + W);
  const Index most = x.in_memory() ? together_in_memory : options_.replicates;
  return std::clamp<Index>(static_cast<Index>(std::min(fits, 1e6)), 1, most);
}

template <Scalar T>
std::vector<FittedModel<T>> EnsembleJob<T>::fit_batch(DataSource<T>& x, std::span<const Index> numbers) {
  std::vector<FitTask<T>> tasks;
  {
    RunReport unused;
    const PhaseTimer timer((control_.report != nullptr ? *control_.report : unused).times, Phase::initialise);
    for (const Index number : numbers) {
      const std::uint32_t seed = seeds_[static_cast<std::size_t>(number)];
      FitTask<T> task{parameters_of(store_->layout().k_of(number), seed, x.shape()), seed, {}};
      task.initial = std::move(unfitted_model(x, task.parameters, task.seed).factors);
      tasks.push_back(std::move(task));
    }
  }
  EnsembleStop stop(comm_, control_, store_->checkpoint_file());
  EnsembleProgress progress{store_->done(), store_->layout().count(), static_cast<Index>(numbers.size())};
  FitControl<T> control;
  control.report = control_.report;
  control.stop_requested = [&stop] { return stop.is_asked(); };
  control.on_progress = [&](const Progress& now) {
    stop.iteration_done(now.seconds);
    if (now.iteration <= progress.iteration || !control_.on_progress) return;
    progress.iteration = now.iteration;
    control_.on_progress(progress);
  };
  std::vector<FittedModel<T>> models = fit_together(x, std::move(tasks), control);
  stop_reason_ = stop.reason();
  if (!stop_reason_.empty() && comm_.is_root()) stop.remove_file();
  return models;
}

template <Scalar T>
bool EnsembleJob<T>::run(DataSource<T>& x) {
  const StoreLayout& layout = store_->layout();
  Forecast forecast;
  std::vector<Index> left;
  for (Index i = 0; i < layout.count(); ++i)
    if (!store_->at(i)) left.push_back(i);
  std::ranges::stable_sort(left, [&](Index a, Index b) { return layout.k_of(a) > layout.k_of(b); });
  for (std::size_t begin = 0; begin < left.size() && stop_reason_.empty();) {
    const Index k = layout.k_of(left[begin]);
    const auto size = static_cast<std::size_t>(batch_size(x, k));
    std::size_t end = begin + 1;
    while (end < left.size() && end - begin < size && layout.k_of(left[end]) == k) ++end;
    const auto batch = std::span(left).subspan(begin, end - begin);
    const std::vector<FittedModel<T>> models = fit_batch(x, batch);
    for (std::size_t i = 0; i < models.size(); ++i) {
      const FittedModel<T>& model = models[i];
      if (model.stopped) continue;
      const Index number = batch[i];
      const Replicate replicate{k,
                                number % layout.replicates,
                                seeds_[static_cast<std::size_t>(number)],
                                model.reconstruction_err,
                                model.n_iter,
                                model.converged};
      comm_.agree([&] {
        if (comm_.is_root()) store_->put(number, replicate, model.factors.Ht);
      });
      store_->mark(number, replicate);
      forecast.add(replicate);
      if (control_.on_replicate) control_.on_replicate(replicate);
    }
    begin = end;
    const double components =
        std::accumulate(left.begin() + static_cast<std::ptrdiff_t>(begin), left.end(), 0.0,
                        [&](double sum, Index i) { return sum + static_cast<double>(layout.k_of(i)); });
    if (control_.on_progress)
      control_.on_progress({store_->done(), layout.count(), 0, 0, forecast.seconds_left(components)});
  }
  return store_->done() == layout.count();
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
void EnsembleJob<T>::remove_checkpoint() {
  store_->remove();
}

template class EnsembleJob<float>;
template class EnsembleJob<double>;

}  // namespace scanmf
