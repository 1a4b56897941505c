#include <fmt/format.h>

#include "app/commands.hpp"
#include "app/ensemble_table.hpp"
#include "app/model_parameters.hpp"
#include "app/run_log.hpp"
#include "app/run_report.hpp"
#include "app/run_setup.hpp"
#include "app/stop_requests.hpp"
#include "core/number_text.hpp"
#include "scanmf/core/log.hpp"
#include "scanmf/ensemble/ensemble.hpp"

namespace scanmf::app {
namespace {

/// One ensemble, from an open log to the written file.
class EnsembleRun {
 public:
  EnsembleRun(const Communicator& comm, const CommandLine& line)
      : comm_(comm), line_(line), log_(comm, line), parameters_(line.parameters(line.estimator())) {}

  int run() {
    return log_.guard([this] { return run_logged(); });
  }

 private:
  int run_logged() {
    apply_threads(comm_, line_);
    control_.provenance = provenance_attributes(comm_, line_.written());
    description_ = describe_input(comm_, line_, class_name(parameters_.estimator));
    add_place_of_x(description_, control_.provenance);
    warn_of_unused_missing_empty(line_, parameters_);
    note_kind_of_values(comm_, parameters_, description_);
    control_.output = line_.text("output");
    check_output(comm_, control_.output, {description_.file});
    control_.checkpoint = checkpoint_options(comm_, line_);
    control_.stop_requested = [] { return StopSignals::received(); };
    control_.on_progress = [this](const EnsembleProgress& now) { log_.progress(now); };
    control_.on_replicate = [this](const Replicate& one) { tell(one); };
    control_.report = &report_;
    return with_scalar(choose_dtype(line_, description_.data_type), [this]<Scalar T>() { return run_as<T>(); });
  }

  EnsembleOptions options() const {
    EnsembleOptions options;
    options.ks = parse_ks(line_.text("n-components")).value();
    options.replicates = line_.number("replicates").value();
    options.neighbourhood = parse_double(line_.text("neighbourhood")).value();
    options.density_threshold = parse_double(line_.text("density-threshold")).value();
    options.resample = parse_resampling(line_.text("resample")).value();
    options.resample_width = parse_double(line_.text("resample-width")).value();
    options.connectivity_rows = line_.flag("connectivity") ? line_.number("connectivity-rows").value() : 0;
    options.match = parse_matching(line_.text("match"));  // auto: none
    options.select = parse_selection(line_.text("select")).value();
    options.folds = line_.number("folds").value();
    options.holdout = parse_double(line_.text("holdout")).value();
    options.select_repeats = line_.number("select-repeats").value();
    options.save_replicates = line_.flag("save-replicates");
    return options;
  }

  template <Scalar T>
  int run_as() {
    log_input(line_.inputs().front(), description_, data_type_of<T>);
    const bool has_checkpoint = !control_.checkpoint.file.empty();
    const StopSignals signals(has_checkpoint);
    const EnsembleOptions wanted = options();
    const GroupPlan plan = plan_groups(comm_, line_.number("groups"), description_, data_type_of<T>,
                                       parse_memory(line_.text("memory")), parameters_, wanted);
    control_.groups = plan.groups;
    control_.memory = plan.memory;
    MatrixIdentity identity = identity_of(comm_, description_, has_checkpoint);
    SampleWeights weights = sample_weights(comm_, line_, description_);
    if (has_checkpoint) identity.fingerprint += fingerprint_of(comm_, weights);
    EnsembleJob<T> job(comm_, std::move(identity), parameters_, wanted, control_);
    tell_how_to_stop(comm_, job.checkpoint_file());
    weights = weights_of_group(comm_, job.group(), weights, description_.shape.rows);
    log_.start(comm_, line_, description_, data_type_of<T>,
               {{"random_state", job.random_state()},
                {"k", wanted.ks},
                {"replicates", wanted.replicates},
                {"replicates_done", job.done()}});
    std::unique_ptr<DataSource<T>> source;
    comm_.agree([&] {  // one group may fail alone
      const PhaseTimer timer(report_.times, Phase::read);
      source =
          open_planned<T>(job.group(), description_, parameters_, job.largest_k(), MatrixUse::fit, plan.memory, weights)
              .source;
    });
    log_.demote_warnings("Maximum number of iterations");
    const bool is_done = job.run(*source);
    log_.end_progress();
    if (!is_done || !job.finish(*source)) return stop(job, share_of(*source));
    log_.demote_warnings("");
    warn_of_limits(job.limited(), job.done());
    job.remove_checkpoint();
    end(job, *source);
    return static_cast<int>(ExitStatus::done);
  }

  void tell(const Replicate& one) {
    log_.event("replicate", {{"k", one.k},
                             {"replicate", one.number},
                             {"seed", one.seed},
                             {"n_iter", one.n_iter},
                             {"converged", one.converged},
                             {"reconstruction_err", one.error}});
  }

  /// One line instead of one a fit.
  void warn_of_limits(Index limited, Index fits) const {
    if (limited > 0 && parameters_.tol > 0 && parameters_.estimator == Estimator::nmf)
      log_warning(
          fmt::format("Maximum number of iterations {} reached in {} of {} fits. Increase it to improve "
                      "convergence.",
                      parameters_.max_iter, limited, fits));
  }

  template <Scalar T>
  int stop(EnsembleJob<T>& job, const Share& share) {
    const RunTable table = make_run_table(job.group(), report_, {}, share, timer_.seconds());
    log_.print(table.text);
    log_.event("stopped", {{"replicates_done", job.done()},
                           {"checkpoint", job.checkpoint_file()},
                           {"reason", job.stop_reason()},
                           {"report", table.json}});
    log_warning(fmt::format("stopped after {} replicates ({}); they are in '{}': run the same command again to go on",
                            job.done(), job.stop_reason(), job.checkpoint_file()));
    return static_cast<int>(ExitStatus::stopped);
  }

  template <Scalar T>
  void end(EnsembleJob<T>& job, DataSource<T>& source) {
    const double seconds = timer_.seconds();
    if (control_.groups > 1) log_information("the table is of the ranks of the first group");
    const RunTable table = make_run_table(job.group(), report_, measure_limits(source), share_of(source), seconds);
    nlohmann::ordered_json fields = {{"ensemble", control_.output}, {"table", table_json(job.table())}};
    fields["chosen_k"] = job.chosen_k() ? nlohmann::ordered_json(*job.chosen_k()) : nlohmann::ordered_json();
    const std::string text = ensemble_table_text(fields["table"], fields["chosen_k"]);
    log_.end(table, seconds, fmt::format("{}ensemble: {}\n", text, control_.output), fields);
  }

  const Communicator& comm_;
  const CommandLine& line_;
  RunLog log_;
  Parameters parameters_;
  EnsembleControl control_;
  RunReport report_;
  Timer timer_;
  MatrixDescription description_;
};

}  // namespace

int ensemble(const Communicator& comm, const CommandLine& line) { return EnsembleRun(comm, line).run(); }

}  // namespace scanmf::app
