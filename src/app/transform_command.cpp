#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "app/commands.hpp"
#include "app/model_parameters.hpp"
#include "app/run_log.hpp"
#include "app/run_report.hpp"
#include "app/run_setup.hpp"
#include "scanmf/core/log.hpp"
#include "scanmf/core/timer.hpp"
#include "scanmf/data/matrix_file.hpp"
#include "scanmf/estimator/aligned_features.hpp"
#include "scanmf/estimator/job.hpp"
#include "scanmf/model/model_file.hpp"

namespace scanmf::app {
namespace {

/// For a file that holds nothing but H: the options and their defaults.
Parameters parameters_of_options(const CommandLine& line, Index components) {
  const Estimator estimator = line.estimator();
  Parameters result = line.parameters(estimator);
  for (const auto& [name, text] : line.given_parameters())
    Parameters(result).set(name, text);  // refuses those of the other estimator
  if (result.n_components.value_or(components) != components) {
    throw UsageError(fmt::format("n_components = {} differs from the {} rows of H", *result.n_components, components));
  }
  return result;
}

/// H as the updates need it: finite and not negative. All zero is allowed: W becomes zero. Messages as for custom
/// factors.
template <Scalar T>
void check_H(const Matrix<T>& Ht) {
  bool all_zero = true;
  for (const T value : Ht.span()) {
    if (!std::isfinite(value)) throw Error("Array passed to NMF (input H) contains NaN or infinity");
    if (value < 0) throw Error("Negative values in data passed to NMF (input H)");
    all_zero = all_zero && value == 0;
  }
  if (all_zero) log_warning("Array passed to NMF (input H) is full of zeros. W becomes zero.");
}

/// One transform, from an open log to the written W.
class TransformRun {
 public:
  TransformRun(const Communicator& comm, const CommandLine& line)
      : comm_(comm), line_(line), log_(comm, line), model_(line.text("model")), target_(line.text("output")) {}

  int run() {
    return log_.guard([this] { return run_logged(); });
  }

 private:
  int run_logged() {
    apply_threads(comm_, line_);
    header_ = read_model_header(comm_, model_);
    const bool is_model = !header_.estimator.empty();
    comm_.agree([&] {
      parameters_ = is_model ? parameters_of_model(
                                   line_, header_,
                                   {"tol", "max_iter", "transform_max_iter", "verbose", "missing", "missing_empty"})
                             : parameters_of_options(line_, header_.n_components);
    });
    warn_of_unused_missing_empty(line_, parameters_);
    const char* name = class_name(parameters_.estimator);
    description_ = describe_input(comm_, line_, name);
    warn_of_another_place(comm_, line_.inputs().front(), description_, header_);
    check_output(comm_, target_, {description_.file, model_});
    comm_.agree([&] { column_of_ = places_of_features(line_, description_, header_, name); });
    return with_scalar(choose_dtype(line_, is_model ? header_.dtype : description_.data_type),
                       [this]<Scalar T>() { return transform_as<T>(); });
  }

  template <Scalar T>
  PlannedSource<T> load() {
    const PhaseTimer timer(report_.times, Phase::read);
    const MemoryLimit limit = parse_memory(line_.text("memory"));
    const SampleWeights weights = sample_weights(comm_, line_, description_);
    return open_planned<T>(comm_, description_, column_of_, parameters_, header_.n_components, MatrixUse::transform,
                           limit, weights);
  }

  template <Scalar T>
  int transform_as() {
    const Matrix<T> Ht = read_model_Ht<T>(comm_, model_);
    comm_.agree([&] { check_H(Ht); });
    const std::uint32_t seed = choose_seed(comm_, parameters_);
    log_.start(comm_, line_, description_, data_type_of<T>);
    const auto [source, memory] = load<T>();
    RunControl control;
    control.report = &report_;
    control.on_progress = [this](const Progress& now) { log_.progress(now); };
    MatrixWriter<T> writer = open_output<T>();
    const auto write = [&](Index first_row, MatrixView<const T> rows) { writer.write_rows(first_row, rows); };
    scanmf::transform<T>(*source, Ht, parameters_, seed, write, memory, control);
    log_.end_progress();
    commit(writer);
    const double seconds = timer_.seconds();
    const RunTable table = make_run_table(comm_, report_, measure_limits(*source), share_of(*source), seconds);
    log_.end(table, seconds, fmt::format("W of {} x {}: {}\n", description_.shape.rows, header_.n_components, target_),
             {{"output", target_}});
    return static_cast<int>(ExitStatus::done);
  }

  /// The file for W, with names of rows and columns.
  template <Scalar T>
  MatrixWriter<T> open_output() {
    std::vector<std::string> names;  // as get_feature_names_out gives them
    std::string prefix = class_name(parameters_.estimator);
    std::transform(prefix.begin(), prefix.end(), prefix.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    for (Index c = 0; c < header_.n_components; ++c) names.push_back(prefix + std::to_string(c));
    return MatrixWriter<T>(comm_, target_, "W", {description_.shape.rows, header_.n_components}, description_.row_names,
                           names, {});
  }

  template <Scalar T>
  void commit(MatrixWriter<T>& writer) {
    const PhaseTimer timer(report_.times, Phase::write);
    writer.commit();
  }

  const Communicator& comm_;
  const CommandLine& line_;
  RunLog log_;
  std::string model_;
  std::string target_;
  Timer timer_;
  RunReport report_;
  ModelHeader header_;
  Parameters parameters_;
  MatrixDescription description_;
  std::vector<Index> column_of_;  // of X, for each of the model's features; empty: as they are
};

}  // namespace

int transform(const Communicator& comm, const CommandLine& line) { return TransformRun(comm, line).run(); }

}  // namespace scanmf::app
