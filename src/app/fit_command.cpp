#include <fmt/format.h>

#include <algorithm>

#include "app/commands.hpp"
#include "app/model_parameters.hpp"
#include "app/run_log.hpp"
#include "app/run_report.hpp"
#include "app/run_setup.hpp"
#include "app/stop_requests.hpp"
#include "io/checksums.hpp"
#include "scanmf/core/log.hpp"
#include "scanmf/core/timer.hpp"
#include "scanmf/data/matrix_file.hpp"
#include "scanmf/estimator/digest.hpp"
#include "scanmf/estimator/job.hpp"
#include "scanmf/model/model_file.hpp"
#include "scanmf/parallel/environment.hpp"

namespace scanmf::app {
namespace {

template <Scalar T>
std::string summary_of(const FittedModel<T>& model, const std::string& target) {
  const std::string steps = model.n_steps ? fmt::format(" ({} steps)", *model.n_steps) : "";
  return fmt::format("{} with {} components: {} iterations{}, {}, reconstruction error {:.9g}\nmodel: {}\n",
                     class_name(model.parameters.estimator), model.n_components, model.n_iter, steps,
                     model.converged ? "converged" : "not converged", model.reconstruction_err, target);
}

/// One fit, from an open log to the written model.
class FitRun {
 public:
  FitRun(const Communicator& comm, const CommandLine& line)
      : comm_(comm),
        line_(line),
        log_(comm, line),
        parameters_(line.parameters(line.estimator())),
        target_(line.text("output")) {}

  int run() {
    return log_.guard([this] { return run_logged(); });
  }

 private:
  int run_logged() {
    apply_threads(comm_, line_);
    provenance_ = provenance_attributes(comm_, line_.written());
    description_ = describe_input(comm_, line_, class_name(parameters_.estimator));
    add_place_of_x(description_, provenance_);
    check_output(comm_, target_, {description_.file, line_.text("init-file")});
    if (line_.is_given("init-file") && parameters_.init != Init::custom)
      log_warning("--init-file is not used: it belongs to --init custom");
    warn_of_unused_missing_empty(line_, parameters_);
    if (parameters_.init == Init::custom) io::refuse_damaged(comm_, line_.text("init-file"));
    warn_of_automatic_components(line_, description_.shape);
    note_kind_of_values(comm_, parameters_, description_);
    checkpoint_ = checkpoint_options(comm_, line_);
    return with_scalar(choose_dtype(line_, description_.data_type), [this]<Scalar T>() { return fit_as<T>(); });
  }

  template <Scalar T>
  int fit_as() {
    log_input(line_.inputs().front(), description_, data_type_of<T>);
    const StopSignals signals(!checkpoint_.file.empty());
    MatrixIdentity identity = identity_of(comm_, description_, !checkpoint_.file.empty());
    weights_ = sample_weights(comm_, line_, description_);
    if (!checkpoint_.file.empty()) identity.fingerprint += fingerprint_of(comm_, weights_);
    FitJob<T> job(comm_, std::move(identity), parameters_, options());
    log_.start(comm_, line_, description_, data_type_of<T>, {{"random_state", job.seed()}});
    tell_how_to_stop(comm_, job.checkpoint_file());
    const auto source = load(job);
    const FittedModel<T> model = job.run(*source);
    log_.end_progress();
    if (model.stopped) return stop(job, model, share_of(*source));
    write(job, model, source->partition());
    job.remove_checkpoint();
    finish(job, model, *source);
    return static_cast<int>(ExitStatus::done);
  }

  JobOptions options() {
    JobOptions options;
    options.init_file = line_.text("init-file");
    options.checkpoint = checkpoint_;
    options.stop_requested = [] { return StopSignals::received(); };
    options.on_progress = [this](const Progress& now) { log_.progress(now); };
    options.provenance = provenance_;
    return options;
  }

  template <Scalar T>
  std::unique_ptr<DataSource<T>> load(FitJob<T>& job) {
    const PhaseTimer timer(job.report().times, Phase::read);
    return open_planned<T>(comm_, description_, parameters_, job.n_components(), MatrixUse::fit,
                           parse_memory(line_.text("memory")), weights_)
        .source;
  }

  template <Scalar T>
  int stop(FitJob<T>& job, const FittedModel<T>& model, const Share& share) {
    const std::string reason = job.stop_reason();
    job.warn_of_cost();
    const RunTable table = make_run_table(comm_, job.report(), {}, share, timer_.seconds());
    log_.print(table.text);
    log_.event(
        "stopped",
        {{"n_iter", model.n_iter}, {"checkpoint", job.checkpoint_file()}, {"reason", reason}, {"report", table.json}});
    log_warning(
        fmt::format("stopped after iteration {} ({}); the state is in '{}': run the same command again to go on",
                    model.n_steps.value_or(model.n_iter), reason, job.checkpoint_file()));
    return static_cast<int>(ExitStatus::stopped);
  }

  template <Scalar T>
  void write(FitJob<T>& job, const FittedModel<T>& model, const RowPartition& partition) {
    const PhaseTimer timer(job.report().times, Phase::write);
    ModelContext context = job.context();
    add_end(comm_, context.provenance);
    write_model(comm_, target_, header_of(model, context),
                arrays_of(model, comm_, line_.flag("save-w") ? &partition : nullptr), false,
                [this](const std::string& file) { digest_ = digest_of_model(comm_, file); });
  }

  template <Scalar T>
  void finish(FitJob<T>& job, const FittedModel<T>& model, DataSource<T>& source) {
    const double seconds = timer_.seconds();
    const RunTable table = make_run_table(comm_, job.report(), measure_limits(source), share_of(source), seconds);
    log_.end(table, seconds, summary_of(model, target_) + fmt::format("digest: {}\n", digest_),
             {{"n_iter", model.n_iter},
              {"converged", model.converged},
              {"reconstruction_err", model.reconstruction_err},
              {"model", target_},
              {"digest", digest_}});
  }

  const Communicator& comm_;
  const CommandLine& line_;
  RunLog log_;
  Parameters parameters_;
  std::string target_;
  std::string digest_;  // of the model that was written
  Timer timer_;
  Attributes provenance_;
  MatrixDescription description_;
  CheckpointOptions checkpoint_;
  SampleWeights weights_;
};

}  // namespace

int fit(const Communicator& comm, const CommandLine& line) { return FitRun(comm, line).run(); }

}  // namespace scanmf::app
