#include <fmt/format.h>

#include <filesystem>
#include <limits>
#include <optional>
#include <tuple>

#include "app/commands.hpp"
#include "app/model_parameters.hpp"
#include "app/run_log.hpp"
#include "app/run_report.hpp"
#include "app/run_setup.hpp"
#include "app/stop_requests.hpp"
#include "io/checksums.hpp"
#include "model/lock_file.hpp"
#include "scanmf/core/timer.hpp"
#include "scanmf/estimator/aligned_features.hpp"
#include "scanmf/estimator/job.hpp"

namespace scanmf::app {
namespace {

/// One step of mini-batch learning on a chunk: the model is made, or read, updated and written again, whole or not at
/// all.
class PartialFitRun {
 public:
  PartialFitRun(const Communicator& comm, const CommandLine& line)
      : comm_(comm), line_(line), log_(comm, line), target_(line.text("model")) {}

  int run() {
    return log_.guard([this] { return run_logged(); });
  }

 private:
  int run_logged() {
    if (target_.empty()) throw UsageError("partial-fit needs --model FILE, the model to create or to update");
    apply_threads(comm_, line_);
    const char* name = class_name(Estimator::minibatch_nmf);
    description_ = describe_input(comm_, line_, name);
    check_output(comm_, target_, {description_.file, line_.text("init-file")});
    lock_model();
    Index exists = 0;
    std::error_code error;
    if (comm_.is_root()) exists = std::filesystem::exists(target_, error) ? 1 : 0;
    comm_.broadcast(std::span<Index>(&exists, 1));
    if (exists != 0) read_header();
    if (header_) warn_of_another_place(comm_, line_.inputs().front(), description_, *header_);
    comm_.agree([&] {
      parameters_ = header_ ? parameters_of_model(line_, *header_, {"verbose", "missing", "missing_empty"})
                            : line_.parameters(Estimator::minibatch_nmf);
    });
    warn_of_unused_missing_empty(line_, parameters_);
    if (!header_ && parameters_.init == Init::custom) io::refuse_damaged(comm_, line_.text("init-file"));
    if (!header_) warn_of_automatic_components(line_, description_.shape);
    if (!header_) note_kind_of_values(comm_, parameters_, description_);
    if (!header_) settle_random_generator(parameters_, description_.shape);
    comm_.agree([&] {
      if (header_) column_of_ = places_of_features(line_, description_, *header_, name);
    });
    const DataType type = header_ ? header_->dtype : choose_dtype(line_, description_.data_type);
    if (header_ && line_.text("dtype") != "auto" && line_.text("dtype") != name_of(type))
      throw UsageError(fmt::format("dtype = {} differs from the model's {}", line_.text("dtype"), name_of(type)));
    return with_scalar(type, [this]<Scalar T>() { return partial_fit_as<T>(); });
  }

  /// Keeps other runs away from the model from before it is read until it is written: their steps would be lost, or
  /// this one.
  void lock_model() {
    comm_.agree([&] {
      if (!comm_.is_root()) return;
      lock_.emplace(lock_name(target_), fmt::format("model {}", target_), "model");
      release_on_signal_.emplace(*lock_);
    });
  }

  void read_header() {
    header_ = read_model_header(comm_, target_);
    if (header_->estimator != option_name(Estimator::minibatch_nmf))
      throw AgreedError(fmt::format("'{}' is no model of minibatch-nmf: only those learn chunk after chunk", target_));
  }

  template <Scalar T>
  int partial_fit_as() {
    seed_ = header_ ? parameters_.random_state.value_or(0) : choose_seed(comm_, parameters_);
    log_.start(comm_, line_, description_, data_type_of<T>, {{"random_state", seed_}});
    const std::string init_file = line_.text("init-file");
    n_components_ = header_ ? header_->n_components
                            : resolve_n_components(comm_, parameters_, description_.shape.columns, init_file);
    Attributes provenance = provenance_attributes(comm_, line_.written());
    add_place_of_x(description_, provenance);
    const auto source = load<T>();
    FittedModel<T> model = begin<T>(*source, init_file);
    RunControl control;
    control.report = &report_;
    control.on_progress = [this](const Progress& now) { log_.progress(now); };
    partial_fit<T>(*source, model, control);
    log_.end_progress();
    model.n_samples += description_.shape.rows;
    model.reconstruction_err = std::numeric_limits<double>::quiet_NaN();
    if (missing_of_model_) std::tie(model.parameters.missing, model.parameters.missing_empty) = *missing_of_model_;
    write(model, std::move(provenance));
    finish(model, share_of(*source));
    return static_cast<int>(ExitStatus::done);
  }

  template <Scalar T>
  std::unique_ptr<DataSource<T>> load() {
    const PhaseTimer timer(report_.times, Phase::read);
    const MemoryLimit limit = parse_memory(line_.text("memory"));
    const MatrixUse use = header_ ? MatrixUse::next_partial_fit : MatrixUse::partial_fit;
    const SampleWeights weights = sample_weights(comm_, line_, description_);
    return open_planned<T>(comm_, description_, column_of_, parameters_, n_components_, use, limit, weights).source;
  }

  /// The model as it is before the step.
  template <Scalar T>
  FittedModel<T> begin(DataSource<T>& source, const std::string& init_file) {
    const PhaseTimer timer(report_.times, Phase::initialise);
    if (header_) {
      FittedModel<T> model = read_fitted_model<T>(comm_, target_, *header_, nullptr);
      missing_of_model_ = {model.parameters.missing, model.parameters.missing_empty};
      model.parameters.missing = parameters_.missing;  // of this chunk
      model.parameters.missing_empty = parameters_.missing_empty;
      return model;
    }
    return unfitted_model<T>(source, parameters_, seed_, init_file);
  }

  template <Scalar T>
  void write(const FittedModel<T>& model, Attributes provenance) {
    const PhaseTimer timer(report_.times, Phase::write);
    const bool of_chunk = !header_ || (column_of_.empty() && !description_.feature_names.empty());
    const std::vector<std::string>& names = of_chunk ? description_.feature_names : header_->feature_names;
    const Index features = header_ ? header_->n_features_in : description_.shape.columns;
    if (header_ && is_of_generator(*header_)) note_generator(provenance);  // who began the model in Python
    add_end(comm_, provenance);
    comm_.agree([&] {
      if (lock_) lock_->check_still_mine();
    });
    const ModelContext context{seed_, features, names, {}, std::move(provenance), {}};
    write_model(comm_, target_, header_of(model, context), arrays_of(model, comm_, nullptr));
  }

  template <Scalar T>
  void finish(const FittedModel<T>& model, const Share& share) {
    const double seconds = timer_.seconds();
    const RunTable table = make_run_table(comm_, report_, {}, share,
                                          seconds);  // to measure the machine would take longer than many a step
    log_.end(
        table, seconds,
        fmt::format("{} of {} components after {} steps, {} rows in all\nmodel: {}\n",
                    class_name(Estimator::minibatch_nmf), model.n_components, *model.n_steps, model.n_samples, target_),
        {{"n_steps", *model.n_steps}, {"n_samples", model.n_samples}, {"model", target_}});
  }

  const Communicator& comm_;
  const CommandLine& line_;
  RunLog log_;
  std::string target_;
  std::optional<LockFile> lock_;  // on root
  std::optional<ReleaseOnSignal> release_on_signal_;
  Timer timer_;
  RunReport report_;
  std::optional<ModelHeader> header_;
  Parameters parameters_;
  MatrixDescription description_;
  std::optional<std::pair<Missing, MissingEmpty>> missing_of_model_;  // what one chunk is told is not of the next
  std::vector<Index> column_of_;  // of X, for each of the model's features; empty: as they are
  Index n_components_ = 0;
  std::uint32_t seed_ = 0;
};

}  // namespace

int partial_fit(const Communicator& comm, const CommandLine& line) { return PartialFitRun(comm, line).run(); }

}  // namespace scanmf::app
