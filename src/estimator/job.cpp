#include "scanmf/estimator/job.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <string_view>

#include "core/hash.hpp"
#include "estimator/factor_memory.hpp"
#include "estimator/run_checkpoint.hpp"
#include "io/library_version.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/log.hpp"
#include "scanmf/data/aligned_source.hpp"
#include "scanmf/data/observed_source.hpp"
#include "scanmf/data/rows_in_memory.hpp"
#include "scanmf/estimator/aligned_features.hpp"
#include "scanmf/linalg/operations.hpp"
#include "scanmf/linalg/threads.hpp"
#include "scanmf/parallel/environment.hpp"

namespace scanmf {
namespace {

/// What may differ between a checkpoint and the run that goes on from it.
constexpr std::string_view may_change[] = {"max_iter", "tol", "verbose"};

/// An attribute as text; empty when there is none of this name.
std::string text_in(const Attributes& attributes, std::string_view name) {
  const Attribute* const found = find_attribute(attributes, name);
  return found == nullptr ? "" : text_of(*found);
}

/// Initial factors as a checkpoint names them, none at all where there is no name.
Attributes start_attributes(const std::string& name) {
  return name.empty() ? Attributes{} : Attributes{{"the start (W and H of init custom)", name}};
}

/// Collective. What tells initial factors from others: the same for any number of ranks, and from wherever they come.
template <Scalar T>
std::string start_fingerprint(const DataSource<T>& x, const Factors<T>& start) {
  const Communicator& comm = x.communicator();
  constexpr ElementType type = std::is_same_v<T, float> ? ElementType::float32 : ElementType::float64;
  constexpr Index bytes = sizeof(T);
  const Matrix<T> W =
      given_from_owned(comm, start.W, x.partition(), equal_slice(comm, x.shape().rows).size());  // in the order of X
  const Matrix<T>& Ht = start.Ht;
  const Index rows_of_H = comm.is_root() ? Ht.columns() : 0;  // replicated
  return fmt::format("W {}, H {}",
                     rows_fingerprint(comm, {W.data(), type, W.rows(), W.columns(), bytes * W.columns(), bytes}),
                     rows_fingerprint(comm, {Ht.data(), type, rows_of_H, Ht.rows(), bytes, bytes * Ht.columns()}));
}

/// The result is then the same up to rounding.
void log_other_way_of_summing(const Attributes& provenance) {
  const std::string then = text_in(provenance, "instruction_set");
  if (then != instruction_set())
    log_information(fmt::format("instruction_set was {} and is {}: the result is the same up to rounding", then,
                                instruction_set()));
}

Observed observed_of(Missing missing) {
  if (missing == Missing::none) return Observed::all;
  return missing == Missing::nan ? Observed::not_nan : Observed::not_zero;
}

}  // namespace

template <Scalar T>
LoadOptions load_options(const Parameters& parameters, MatrixUse use, Index rows) {
  LoadOptions options;
  options.estimator = class_name(parameters.estimator);
  if (use == MatrixUse::fit && parameters.estimator == Estimator::minibatch_nmf)
    options.batch_rows = std::min(parameters.batch_size, rows);
  options.strata = parameters.strata.value_or(0);
  options.dense_from = dense_from<T>(parameters.beta_loss);
  options.observed = observed_of(parameters.missing);
  if (options.observed == Observed::not_zero) options.dense_from = LoadOptions().dense_from;  // zeros cost nothing
  return options;
}

std::string fingerprint_of(const Communicator& comm, const SampleWeights& weights) {
  if (comm.max<Index>(weights ? 1 : 0) == 0) return {};
  constexpr Index bytes = sizeof(double);
  const std::vector<double> given = weights.value_or(std::vector<double>());
  const DenseRows rows{given.data(), ElementType::float64, static_cast<Index>(given.size()), 1, bytes, bytes};
  return ", sample weights " + rows_fingerprint(comm, rows);
}

template <Scalar T>
std::unique_ptr<DataSource<T>> observed_as(std::unique_ptr<DataSource<T>> x, const Parameters& parameters,
                                           const std::string& place, MatrixUse use, const SampleWeights& weights) {
  const bool has_H = use == MatrixUse::transform || use == MatrixUse::next_partial_fit;
  const ObserveOptions options{observed_of(parameters.missing), parameters.missing_empty == MissingEmpty::keep, has_H,
                               place, "missing_empty = 'keep' (--missing-empty keep): its factors are 0"};
  std::optional<std::vector<double>> own;
  if (const Communicator& comm = x->communicator(); comm.max<Index>(weights ? 1 : 0) != 0) {
    const std::vector<double> given = weights.value_or(std::vector<double>());
    const auto numbers = static_cast<Index>(given.size());
    if (const Index all = comm.sum(numbers); all != x->shape().rows)
      throw AgreedError(fmt::format("sample_weight has {} numbers for {} rows of X", all, x->shape().rows));
    const MatrixView<const double> view(given.data(), numbers, 1);
    const Matrix<double> owned = owned_from_given(comm, view, x->partition());
    own.emplace(owned.span().begin(), owned.span().end());
  }
  auto observed = observed_source<T>(std::move(x), options, std::move(own));
  if (const Index missing = observed->summary().missing; missing > 0) {
    const Shape shape = observed->shape();
    const double all = static_cast<double>(shape.rows) * static_cast<double>(shape.columns);
    log_information(fmt::format("{} entries of X, {:.3g} %, are missing and left out", missing,
                                100 * static_cast<double>(missing) / all));
  }
  return observed;
}

/// Collective. A stratum is one thread's work: where there are fewer than threads, it is said.
template <Scalar T>
void tell_of_idle_threads(const DataSource<T>& x) {
  const Index threads = x.communicator().sum(Index{thread_count()});
  const Index strata = x.partition().strata();
  if (strata < threads && strata < x.partition().batch_rows())
    log_information(
        fmt::format("X has {} strata, as many threads of {} share a pass over it: --strata {} makes more of them, with "
                    "other last digits",
                    strata, threads, threads));
}

/// Collective.
void warn_of_mixed_processors(const Communicator& comm) {
  const std::string of_root = comm.broadcast(std::string(instruction_set()));
  if (comm.max<Index>(instruction_set() != of_root ? 1 : 0) == 1)
    log_warning(
        fmt::format("ranks run on processors with other instruction sets than {}: last digits depend on who "
                    "runs where, unless all are of one kind (Slurm: --constraint)",
                    of_root));
}

template <Scalar T>
PlannedSource<T> open_planned(const Communicator& comm, const MatrixDescription& description,
                              const Parameters& parameters, Index n_components, MatrixUse use, const MemoryLimit& limit,
                              const SampleWeights& weights) {
  return open_planned<T>(comm, description, {}, parameters, n_components, use, limit, weights);
}

template <Scalar T>
PlannedSource<T> open_planned(const Communicator& comm, const MatrixDescription& description,
                              const std::vector<Index>& column_of, const Parameters& parameters, Index n_components,
                              MatrixUse use, const MemoryLimit& limit, const SampleWeights& weights) {
  LoadOptions options = load_options<T>(parameters, use, description.shape.rows);
  const HeldW rows_of_W = use == MatrixUse::transform ? HeldW::with_X : HeldW::always;
  ObservedSums observed = observed_sums(parameters, description.kind());
  if (use != MatrixUse::fit && observed == ObservedSums::column_grams) observed = ObservedSums::none;  // H is fixed
  options.memory = plan_memory(comm, limit, description, n_components, data_type_of<T>, rows_of_W, observed);
  const std::string place = description.path.empty() ? description.file : description.file + ":" + description.path;
  auto x = open_source<T>(comm, description, options);
  tell_of_idle_threads(*x);
  warn_of_mixed_processors(comm);
  if (!column_of.empty()) x = aligned_source<T>(std::move(x), column_of, options);
  return {observed_as<T>(std::move(x), parameters, place, use, weights), options.memory};
}

void settle_random_generator(Parameters& parameters, const Shape& shape) {
  const Index k = resolve_n_components(parameters, shape.columns, std::nullopt);
  const bool automatic = parameters.random_generator == RandomGenerator::automatic;
  parameters.random_generator = resolve_random_generator(parameters, shape, k);
  const bool counter = parameters.random_generator == RandomGenerator::counter;
  const Init init = resolve_init(parameters.init, shape, k);
  if (init == Init::custom || (init != Init::random && !counter)) return;
  if (parameters.init == Init::none && parameters.missing != Missing::none) return;  // random, where any entry is
  log_information(fmt::format("{} from the {} generator{}",
                              init == Init::random ? "random factors" : "normals of the initialisation",
                              counter ? "counter" : "numpy",
                              automatic && counter ? ": with so many draws scikit-learn's are not reproduced" : ""));
}

std::string utc_now() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now())));
}

Attributes provenance_attributes(const Communicator& comm, const std::string& command_line) {
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  // Of rank 0 on every rank: the clocks, names and libraries of other hosts may differ.
  const auto of_root = [&comm](const std::string& text) { return comm.broadcast(text); };
  return {{"version", std::string(SCANMF_VERSION)},
          {"command_line", of_root(command_line)},
          {"host", of_root(host.data())},
          {"ranks", static_cast<Index>(comm.size())},
          {"threads", comm.max<Index>(thread_count())},
          {"instruction_set", of_root(instruction_set())},
          {"start", of_root(utc_now())},
          {"libraries", of_root(fmt::format("{}; {}; {}", mpi_library(), hdf5::library_version(), blas_library()))}};
}

void add_end(const Communicator& comm, Attributes& provenance) {
  provenance.emplace_back("end", comm.broadcast(utc_now()));
}

MatrixIdentity identity_of(const Communicator& comm, const MatrixDescription& description, bool fingerprint) {
  return {description.shape, description.feature_names, description.row_names,
          fingerprint ? matrix_fingerprint(comm, description) : ""};
}

template <Scalar T>
FitJob<T>::FitJob(const Communicator& comm, MatrixIdentity x, const Parameters& parameters, JobOptions options)
    : comm_(comm), x_(std::move(x)), parameters_(parameters), options_(std::move(options)) {
  if (const auto mistakes = parameters_.validate(); !mistakes.empty())
    throw UsageError(fmt::format("{}", fmt::join(mistakes, "\n")));
  settle_random_generator(parameters_, x_.shape);
  if (options_.generator) generator_began_ = fmt::format("{:016x}", hash_of(to_text(*options_.generator)));
  checkpoint_ = std::make_unique<RunCheckpoint>(comm_, options_, report().times);
  generation_ = checkpoint_->generation([this](const CheckpointGeneration& found) { require_of_this_run(found); });
  if (generation_) {
    begin_as_stored();
  } else {
    if (!options_.generator) seed_ = choose_seed(comm_, parameters_);
    const bool start_tells = parameters_.init == Init::custom && options_.init_file.empty();
    n_components_ = start_tells ? 0 : resolve_n_components(comm_, parameters_, x_.shape.columns, options_.init_file);
  }
  checkpoint_->set_size(static_cast<double>((x_.shape.rows + 3 * x_.shape.columns) * n_components_) * sizeof(T));
}

template <Scalar T>
FitJob<T>::~FitJob() = default;

/// Seed or generator, and k, of the checkpoint's run.
template <Scalar T>
void FitJob<T>::begin_as_stored() {
  const ModelHeader& header = generation_->header;
  for (const auto& [name, value] : header.params)
    if (name == "random_state") seed_ = static_cast<std::uint32_t>(std::get<Index>(value));
  n_components_ = header.n_components;
  generator_began_ = text_in(header.state, "generator_began");
  if (generator_began_.empty()) {
    options_.generator = nullptr;
    return;
  }
  if (!options_.generator) options_.generator = std::make_shared<LegacyRandom>(0);
  comm_.agree([&] { *options_.generator = generator_from(text_in(header.state, "generator")); });
}

template <Scalar T>
FittedModel<T> FitJob<T>::run(DataSource<T>& x, std::optional<Factors<T>> start) {
  FitControl<T> control;
  control.report = &report();
  checkpoint_->attach<T>(
      control, [this](const auto& model) { return header_of(model, checkpoint_context()); },
      [this, &x](const auto& model) { return arrays_of(model, comm_, &x.partition()); });
  const Seed seed = options_.generator ? Seed(options_.generator) : Seed(seed_);
  if (checkpoint_->is_on()) require_same_start(x, start, seed);
  if (generation_) return go_on(x, seed, control);
  if (start) n_components_ = start->Ht.columns();
  if (start) return fit_from(x, parameters_, seed, std::move(*start), control);
  return scanmf::fit(x, parameters_, seed, options_.init_file, control);
}

/// What a checkpoint belongs to: parameters as given now, where its draws come from (origin; empty: from random_state),
/// and X.
template <Scalar T>
Attributes FitJob<T>::belongs_to(const Attributes& params, const std::string& origin, const std::string& data,
                                 DataType type) const {
  const bool any_origin = options_.generator ? options_.any_generator : !parameters_.random_state;
  Attributes all;
  for (const auto& [name, value] : params) {
    if (std::ranges::find(may_change, name) != std::end(may_change) || (name == "random_state" && any_origin)) continue;
    const bool from_generator = name == "random_state" && !origin.empty();
    all.emplace_back(name, from_generator ? Attribute("a generator that began at " + origin) : value);
  }
  all.emplace_back("X", data);
  all.emplace_back("dtype", std::string(name_of(type)));
  return all;
}

template <Scalar T>
void FitJob<T>::require_of_this_run(const CheckpointGeneration& generation) {
  comm_.agree([&] {
    const ModelHeader& header = generation.header;
    const Attributes own = parameter_attributes(parameters_, parameters_.random_state.value_or(0));
    Attributes stored = belongs_to(with_later_parameters(header.params, own), text_in(header.state, "generator_began"),
                                   text_in(header.state, "data"), header.dtype);
    Attributes current = belongs_to(own, generator_began_, x_.fingerprint, data_type_of<T>);
    stored.emplace_back("estimator", header.estimator);
    current.emplace_back("estimator", std::string(option_name(parameters_.estimator)));
    require_same(generation.file, stored, current);
    check_complete(generation.file, header, x_.shape);
  });
  stored_starts_.emplace_back(generation.file, text_in(generation.header.state, "start"));
}

/// Collective. A checkpoint of a fit that began with other factors is refused, and these are named in the next one.
/// start: as handed in; those of a file are read into it. Not known before X is there.
template <Scalar T>
void FitJob<T>::require_same_start(DataSource<T>& x, std::optional<Factors<T>>& start, const Seed& seed) {
  if (!start && parameters_.init == Init::custom) {
    const PhaseTimer timer(report().times, Phase::initialise);
    start = unfitted_model(x, parameters_, seed, options_.init_file).factors;
  }
  if (start) start_ = start_fingerprint(x, *start);
  comm_.agree([&] {
    for (const auto& [file, stored] : stored_starts_)
      if (!stored.empty()) require_same(file, start_attributes(stored), start_attributes(start_));
  });
  if (!generation_) return;
  if (!start_.empty() && text_in(generation_->header.state, "start").empty())
    log_warning(
        fmt::format("'{}' is of an earlier version and does not say with which W and H its fit began: they are "
                    "taken to be those given now (remove it to start anew)",
                    generation_->file));
  start.reset();  // the checkpoint's factors are those to go on with
}

template <Scalar T>
FittedModel<T> FitJob<T>::go_on(DataSource<T>& x, const Seed& seed, const FitControl<T>& control) {
  FittedModel<T> model = read_fitted_model<T>(comm_, generation_->file, generation_->header, &x.partition());
  const bool longer = parameters_.max_iter > model.parameters.max_iter;
  model.parameters = parameters_;
  log_information(fmt::format("going on from '{}' after iteration {}{}", generation_->file,
                              model.n_steps.value_or(model.n_iter),
                              longer ? fmt::format(", up to {} now", parameters_.max_iter) : ""));
  log_other_way_of_summing(generation_->header.provenance);
  continue_fit<T>(x, seed, model, control);
  return model;
}

template <Scalar T>
std::string FitJob<T>::stop_reason() const {
  return checkpoint_->reason();
}

template <Scalar T>
std::string FitJob<T>::checkpoint_file() const {
  return checkpoint_->file();
}

template <Scalar T>
ModelContext FitJob<T>::context() const {
  ModelContext context{seed_, x_.shape.columns, x_.feature_names, x_.row_names, options_.provenance};
  if (options_.generator) note_generator(context.provenance);
  return context;
}

template <Scalar T>
ModelContext FitJob<T>::checkpoint_context() const {
  ModelContext all = context();
  all.data = x_.fingerprint;  // by it a checkpoint is told from a model
  all.start = start_;
  if (!options_.generator) return all;
  all.generator_began = generator_began_;
  all.generator = to_text(*options_.generator);
  return all;
}

template <Scalar T>
void FitJob<T>::warn_of_cost() const {
  checkpoint_->warn_of_cost();
}

template <Scalar T>
void FitJob<T>::remove_checkpoint() {
  checkpoint_->remove();
}

template LoadOptions load_options<float>(const Parameters&, MatrixUse, Index);
template LoadOptions load_options<double>(const Parameters&, MatrixUse, Index);
template std::unique_ptr<DataSource<float>> observed_as(std::unique_ptr<DataSource<float>>, const Parameters&,
                                                        const std::string&, MatrixUse, const SampleWeights&);
template std::unique_ptr<DataSource<double>> observed_as(std::unique_ptr<DataSource<double>>, const Parameters&,
                                                         const std::string&, MatrixUse, const SampleWeights&);
template PlannedSource<float> open_planned(const Communicator&, const MatrixDescription&, const Parameters&, Index,
                                           MatrixUse, const MemoryLimit&, const SampleWeights&);
template PlannedSource<double> open_planned(const Communicator&, const MatrixDescription&, const Parameters&, Index,
                                            MatrixUse, const MemoryLimit&, const SampleWeights&);
template PlannedSource<float> open_planned(const Communicator&, const MatrixDescription&, const std::vector<Index>&,
                                           const Parameters&, Index, MatrixUse, const MemoryLimit&,
                                           const SampleWeights&);
template PlannedSource<double> open_planned(const Communicator&, const MatrixDescription&, const std::vector<Index>&,
                                            const Parameters&, Index, MatrixUse, const MemoryLimit&,
                                            const SampleWeights&);
template class FitJob<float>;
template class FitJob<double>;

}  // namespace scanmf
