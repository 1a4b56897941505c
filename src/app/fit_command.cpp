#include <fmt/format.h>

#include <algorithm>

#include "app/commands.hpp"
#include "app/fit_checkpoint.hpp"
#include "app/memory_plan.hpp"
#include "app/run_log.hpp"
#include "app/run_report.hpp"
#include "app/run_setup.hpp"
#include "scanmf/core/log.hpp"
#include "scanmf/core/timer.hpp"
#include "scanmf/data/matrix_file.hpp"
#include "scanmf/estimator/estimator.hpp"
#include "scanmf/estimator/saved_model.hpp"
#include "scanmf/linalg/operations.hpp"
#include "scanmf/model/model_file.hpp"
#include "scanmf/parallel/environment.hpp"

namespace scanmf::app {
namespace {

template <Scalar T>
std::string summary_of(const FittedModel<T>& model, const std::string& target) {
  const std::string steps = model.n_steps ? fmt::format(" ({} steps)", *model.n_steps) : "";
  return fmt::format("{} with {} components: {} iterations{}, {}, reconstruction error {:.9g}\nmodel: {}\n", class_name(model.parameters.estimator),
                     model.n_components, model.n_iter, steps, model.converged ? "converged" : "not converged", model.reconstruction_err, target);
}

/// One fit, from an open log to the written model.
class FitRun {
 public:
  FitRun(const Communicator& comm, const CommandLine& line)
      : comm_(comm), line_(line), log_(comm, line), parameters_(line.parameters(line.estimator())), target_(line.text("output")) {}

  int run() {
    apply_threads(comm_, line_);
    provenance_ = provenance_attributes(comm_, line_.written());
    description_ = describe_matrix(comm_, line_.inputs().front(), class_name(parameters_.estimator));
    check_output(comm_, target_, {description_.file, line_.text("init-file")});
    if (line_.is_given("init-file") && parameters_.init != Init::custom) log_warning("--init-file is not used: it belongs to --init custom");
    if (parameters_.init == Init::custom) check_sealed(comm_, line_.text("init-file"));
    settle_random_generator(parameters_, description_.shape);
    return with_scalar(choose_dtype(line_, description_.data_type), [this]<Scalar T>() { return fit_as<T>(); });
  }

 private:
  template <Scalar T>
  std::unique_ptr<DataSource<T>> load() {
    const PhaseTimer timer(report_.times, Phase::read);
    LoadOptions options;
    options.estimator = class_name(parameters_.estimator);
    if (parameters_.estimator == Estimator::minibatch_nmf) options.batch_rows = std::min(parameters_.batch_size, description_.shape.rows);
    options.dense_from = dense_from<T>(parameters_.beta_loss);
    options.memory = plan_memory(comm_, line_, description_, n_components_, data_type_of<T>);
    return open_source<T>(comm_, description_, options);
  }

  template <Scalar T>
  int fit_as() {
    log_information(fmt::format("X of {}: {} x {}, {} ({} stored), computing in {}", line_.inputs().front(), description_.shape.rows,
                                description_.shape.columns, description_.element_type, description_.stored, name_of(data_type_of<T>)));
    FitCheckpoint checkpoint(comm_, line_, report_.times);
    if (checkpoint.is_on()) fingerprint_ = matrix_fingerprint(comm_, description_);
    const auto is_of_this_run = [&](const CheckpointGeneration& found) { check_checkpoint(found, data_type_of<T>); };
    const std::optional<CheckpointGeneration> generation = checkpoint.generation(is_of_this_run);
    seed_ = generation ? stored_seed(*generation) : choose_seed(comm_, parameters_);
    log_.start(comm_, line_, description_, data_type_of<T>, {{"random_state", seed_}});
    const Index n = description_.shape.columns;
    n_components_ = generation ? generation->header.n_components : resolve_n_components(comm_, parameters_, n, line_.text("init-file"));
    const auto source = load<T>();
    checkpoint.set_size(static_cast<double>((description_.shape.rows + 3 * n) * n_components_) * sizeof(T));
    FitControl<T> control;
    control.report = &report_;
    control.on_progress = [&](const Progress& now) {
      checkpoint.iteration_done(now);
      log_.progress(now);
    };
    checkpoint.attach<T>(
        control, [this](const auto& model) { return header_of(model, context()); },
        [&](const auto& model) { return arrays_of(model, comm_, &source->partition()); });
    const FittedModel<T> model =
        generation ? go_on<T>(*generation, *source, control) : scanmf::fit<T>(*source, parameters_, seed_, line_.text("init-file"), control);
    log_.end_progress();
    if (model.stopped) return stop(model, share_of(*source), checkpoint);
    write(model, source->partition());
    checkpoint.remove();
    finish(model, *source);
    return static_cast<int>(ExitStatus::done);
  }

  /// What may differ between a checkpoint and the run that goes on from it.
  static constexpr std::string_view may_change[] = {"max_iter", "tol", "verbose"};

  /// What a checkpoint belongs to: parameters as given now, and X.
  Attributes identity(const Attributes& params, const std::string& data, DataType type) const {
    Attributes all = params;
    std::erase_if(all, [&](const auto& entry) {
      return std::ranges::find(may_change, entry.first) != std::end(may_change) || (entry.first == "random_state" && !parameters_.random_state);
    });
    all.emplace_back("X", data);
    all.emplace_back("dtype", std::string(name_of(type)));
    return all;
  }

  void check_checkpoint(const CheckpointGeneration& generation, DataType type) const {
    comm_.agree([&] {
      std::string data;
      for (const auto& [name, value] : generation.header.state)
        if (name == "data") data = text_of(value);
      Attributes stored = identity(generation.header.params, data, generation.header.dtype);
      Attributes current = identity(parameter_attributes(parameters_, parameters_.random_state.value_or(0)), fingerprint_, type);
      stored.emplace_back("estimator", generation.header.estimator);
      current.emplace_back("estimator", std::string(option_name(parameters_.estimator)));
      require_same(generation.file, stored, current);
      check_complete(generation.file, generation.header, description_.shape);
    });
  }

  static std::uint32_t stored_seed(const CheckpointGeneration& generation) {
    for (const auto& [name, value] : generation.header.params)
      if (name == "random_state") return static_cast<std::uint32_t>(std::get<Index>(value));
    return 0;
  }

  template <Scalar T>
  FittedModel<T> go_on(const CheckpointGeneration& generation, DataSource<T>& source, const FitControl<T>& control) {
    FittedModel<T> model = read_fitted_model<T>(comm_, generation.file, generation.header, &source.partition());
    const Index max_iter = model.parameters.max_iter;
    model.parameters = parameters_;
    const bool longer = parameters_.max_iter > max_iter;
    log_information(fmt::format("going on from '{}' after iteration {}{}", generation.file, model.n_steps.value_or(model.n_iter),
                                longer ? fmt::format(", up to {} now", parameters_.max_iter) : ""));
    const auto made_with = [&](const char* name) {
      for (const auto& [key, value] : generation.header.provenance)
        if (key == name) return text_of(value);
      return std::string();
    };
    for (const auto& [name, now] : {std::pair<const char*, std::string>{"ranks", std::to_string(comm_.size())},
                                    {"threads", std::to_string(thread_count())},
                                    {"instruction_set", instruction_set()}})
      if (made_with(name) != now)
        log_information(fmt::format("{} was {} and is {}: the result is the same up to rounding", name, made_with(name), now));
    continue_fit<T>(source, seed_, model, control);
    return model;
  }

  template <Scalar T>
  int stop(const FittedModel<T>& model, const Share& share, const FitCheckpoint& checkpoint) {
    const std::string reason = checkpoint.reason();
    checkpoint.warn_of_cost();
    const RunTable table = make_run_table(comm_, report_, {}, share, timer_.seconds());
    log_.print(table.text);
    log_.event("stopped", {{"n_iter", model.n_iter}, {"checkpoint", checkpoint.file()}, {"reason", reason}, {"report", table.json}});
    log_warning(fmt::format("stopped after iteration {} ({}); the state is in '{}': run the same command again to go on",
                            model.n_steps.value_or(model.n_iter), reason, checkpoint.file()));
    return static_cast<int>(ExitStatus::stopped);
  }

  ModelContext context() const {
    return {seed_, description_.shape.columns, description_.feature_names, description_.row_names, provenance_, fingerprint_};
  }

  template <Scalar T>
  void write(const FittedModel<T>& model, const RowPartition& partition) {
    const PhaseTimer timer(report_.times, Phase::write);
    add_end(comm_, provenance_);
    ModelContext finished = context();
    finished.data.clear();  // by it a checkpoint is told from a model
    write_model(comm_, target_, header_of(model, finished), arrays_of(model, comm_, line_.flag("save-w") ? &partition : nullptr));
  }

  template <Scalar T>
  void finish(const FittedModel<T>& model, DataSource<T>& source) {
    const double seconds = timer_.seconds();
    const RunTable table = make_run_table(comm_, report_, measure_limits(source), share_of(source), seconds);
    log_.end(table, seconds, summary_of(model, target_),
             {{"n_iter", model.n_iter}, {"converged", model.converged}, {"reconstruction_err", model.reconstruction_err}, {"model", target_}});
  }

  const Communicator& comm_;
  const CommandLine& line_;
  RunLog log_;
  Parameters parameters_;
  std::string target_;
  Timer timer_;
  RunReport report_;
  Attributes provenance_;
  MatrixDescription description_;
  std::string fingerprint_;
  Index n_components_ = 0;
  std::uint32_t seed_ = 0;
};

}  // namespace

int fit(const Communicator& comm, const CommandLine& line) { return FitRun(comm, line).run(); }

}  // namespace scanmf::app
