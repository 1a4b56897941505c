#include <fmt/format.h>

#include <algorithm>

#include "app/commands.hpp"
#include "app/run_log.hpp"
#include "app/run_report.hpp"
#include "app/run_setup.hpp"
#include "scanmf/core/log.hpp"
#include "scanmf/core/timer.hpp"
#include "scanmf/data/matrix_file.hpp"
#include "scanmf/estimator/estimator.hpp"
#include "scanmf/estimator/saved_model.hpp"
#include "scanmf/model/model_file.hpp"

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
    return with_scalar(choose_dtype(line_, description_.data_type), [this]<Scalar T>() { return fit_as<T>(); });
  }

 private:
  template <Scalar T>
  std::unique_ptr<DataSource<T>> load() {
    const PhaseTimer timer(report_.times, Phase::read);
    LoadOptions options;
    options.estimator = class_name(parameters_.estimator);
    if (parameters_.estimator == Estimator::minibatch_nmf) options.batch_rows = std::min(parameters_.batch_size, description_.shape.rows);
    return load_matrix<T>(comm_, description_, options);
  }

  template <Scalar T>
  int fit_as() {
    log_information(fmt::format("X of {}: {} x {}, {} ({} stored), computing in {}", line_.inputs().front(), description_.shape.rows,
                                description_.shape.columns, description_.element_type, description_.stored, name_of(data_type_of<T>)));
    const std::uint32_t seed = choose_seed(comm_, parameters_);
    log_.event("start", {{"command", line_.written()},
                         {"rows", description_.shape.rows},
                         {"columns", description_.shape.columns},
                         {"dtype", name_of(data_type_of<T>)},
                         {"random_state", seed},
                         {"ranks", comm_.size()}});
    const auto source = load<T>();
    FitControl<T> control;
    control.report = &report_;
    control.on_progress = [this](const Progress& now) { log_.progress(now); };
    const FittedModel<T> model = scanmf::fit<T>(*source, parameters_, seed, line_.text("init-file"), control);
    log_.end_progress();
    write(model, source->partition(), seed);
    finish(model, *source);
    return static_cast<int>(ExitStatus::done);
  }

  template <Scalar T>
  void write(const FittedModel<T>& model, const RowPartition& partition, std::uint32_t seed) {
    const PhaseTimer timer(report_.times, Phase::write);
    add_end(comm_, provenance_);
    const ModelContext context{seed, description_.shape.columns, description_.feature_names, description_.row_names, provenance_};
    write_model(comm_, target_, header_of(model, context), arrays_of(model, comm_, line_.flag("save-w") ? &partition : nullptr));
  }

  template <Scalar T>
  void finish(const FittedModel<T>& model, DataSource<T>& source) {
    const double seconds = timer_.seconds();
    const RunTable table = make_run_table(comm_, report_, measure_limits(source), seconds);
    log_.print(table.text);
    log_.print(summary_of(model, target_));
    log_.event("end", {{"n_iter", model.n_iter},
                       {"converged", model.converged},
                       {"reconstruction_err", model.reconstruction_err},
                       {"model", target_},
                       {"run_seconds", seconds},
                       {"report", table.json}});
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
};

}  // namespace

int fit(const Communicator& comm, const CommandLine& line) { return FitRun(comm, line).run(); }

}  // namespace scanmf::app
