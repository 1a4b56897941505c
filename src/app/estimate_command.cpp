#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "app/batch_script.hpp"
#include "app/commands.hpp"
#include "app/cost_model.hpp"
#include "app/run_log.hpp"
#include "app/run_setup.hpp"
#include "app/trial_fit.hpp"
#include "core/number_text.hpp"
#include "data/load.hpp"
#include "estimator/row_cost.hpp"
#include "scanmf/core/log.hpp"
#include "scanmf/estimator/estimator.hpp"
#include "scanmf/parallel/environment.hpp"

namespace scanmf::app {
namespace {

constexpr double giga = 1e9;

std::string memory_text(double bytes) {
  return bytes < giga ? fmt::format("{:.3g} MB", bytes * 1e-6) : fmt::format("{:.4g} GB", bytes / giga);
}

/// Shape, storage and type of X: as its file describes it, or as the options say.
Workload workload_of_X(const Communicator& comm, const CommandLine& line) {
  Workload x;
  if (!line.inputs().empty()) {
    const MatrixDescription file =
        describe_matrix(comm, line.inputs().front(), class_name(line.estimator()), input_options(line));
    x = {.shape = file.shape, .kind = file.kind(), .stored = data::expected_stored(file), .type = file.data_type};
  } else {
    x.shape = {*line.number("n-samples"), *line.number("n-features")};
    const double elements = static_cast<double>(x.shape.rows) * static_cast<double>(x.shape.columns);
    const double share = line.is_given("density") ? *parse_double(line.text("density")) : 1;
    x.kind = line.is_given("density") ? StorageKind::csr : StorageKind::dense;
    x.stored = static_cast<Index>(share * elements);
    x.type = DataType::float32;
  }
  return x;
}

Workload workload(const Communicator& comm, const CommandLine& line, const Parameters& parameters) {
  Workload x = workload_of_X(comm, line);
  x.type = choose_dtype(line, x.type);
  x.components = resolve_n_components(parameters, x.shape.columns, std::nullopt);
  if (parameters.estimator == Estimator::minibatch_nmf) x.batch_rows = std::min(parameters.batch_size, x.shape.rows);
  x.products = products_with_X(parameters.beta_loss);
  LoadOptions options;
  options.dense_from = with_scalar(x.type, [&]<Scalar T>() { return dense_from<T>(parameters.beta_loss); });
  if (x.kind == StorageKind::csr && data::held_dense(x.shape, x.stored, options)) {
    x.kind = StorageKind::dense;
    x.stored = x.shape.rows * x.shape.columns;
  }
  return x;
}

Cluster cluster_of(const Communicator& comm, const CommandLine& line) {
  Cluster cluster;
  cluster.nodes = *line.number("nodes");
  cluster.cores = line.number("cores").value_or(available_cores());
  cluster.node_memory = static_cast<double>(parse_memory(line.text("node-memory"), available_memory(comm)).value());
  cluster.network_bytes_per_second = giga * *parse_double(line.text("network"));
  return cluster;
}

std::string table_of(const std::vector<Layout>& all, const Cluster& cluster) {
  std::string text = fmt::format("{:<26}{:>14}{:>14}{:>14}{:>16}\n", "  ranks a node x threads", "memory a rank",
                                 "memory a node", "s/iteration", "sent by a rank");
  for (const Layout& layout : all)
    text += fmt::format("{} {:<24}{:>14}{:>14}{:>14.3g}{:>16}{}\n",
                        &layout == all.data() && layout.node_memory <= cluster.node_memory ? '*' : ' ',
                        fmt::format("{} x {}", layout.ranks_a_node, layout.threads), memory_text(layout.rank_memory),
                        memory_text(layout.node_memory), layout.seconds, memory_text(layout.sent_by_a_rank),
                        layout.node_memory > cluster.node_memory ? "  too much for a node"
                        : layout.fits                            ? ""
                                                                 : "  X streamed");
  return text;
}

}  // namespace

int estimate(const Communicator& comm, const CommandLine& line) {
  const RunLog log(comm, line);
  if (comm.size() > 1)
    throw UsageError("estimate runs as one rank, without mpirun: --nodes and --cores say what it is to be for");
  apply_threads(comm, line);
  const std::string script = line.text("sbatch");
  if (!script.empty()) refuse_other_script(script);
  const Parameters parameters = line.parameters(line.estimator());
  const Workload x = workload(comm, line, parameters);
  warn_of_automatic_components(line, x.shape);
  const Cluster cluster = cluster_of(comm, line);
  const bool measured = !line.is_given("peak");
  const Speed speed = measured
                          ? measure_speed(comm, x, parameters)
                          : speed_of(x, giga * *parse_double(line.text("peak")),
                                     giga * *parse_double(line.text("bandwidth")) / static_cast<double>(cluster.cores));
  const std::vector<Layout> all = layouts(x, cluster, speed);
  const Layout& best = all.front();
  const Index passes = x.batch_rows > 0 ? (x.shape.rows + x.batch_rows - 1) / x.batch_rows : 1;
  const double seconds = best.seconds * static_cast<double>(passes) * static_cast<double>(parameters.max_iter);

  std::string text = fmt::format("X: {} x {}, {} {}, {}; k = {}\n", x.shape.rows, x.shape.columns,
                                 x.kind == StorageKind::dense ? "dense" : "sparse", name_of(x.type),
                                 memory_text(static_cast<double>(x.shape.rows) * x.row_bytes()), x.components);
  text += fmt::format("one core: {:.3g} s a row of X and {:.3g} s an iteration for H, {}\n", speed.row_seconds,
                      speed.column_seconds,
                      measured ? fmt::format("measured here with {} threads", thread_count())
                               : "at the least: by --peak and --bandwidth");
  text += table_of(all, cluster);
  if (best.node_memory > cluster.node_memory) {
    const std::string nothing =
        "no split of a node's cores fits into its memory: take more nodes, more memory or fewer components";
    log.print(text + (script.empty() ? nothing + "\n" : ""));
    if (!script.empty()) throw AgreedError(fmt::format("{}; '{}' is not written (option '--sbatch')", nothing, script));
    return static_cast<int>(ExitStatus::done);
  }
  const std::string command = fmt::format("mpirun -n {} --map-by slot:PE={} --bind-to core {}",
                                          cluster.nodes * best.ranks_a_node, best.threads, fit_command(line));
  const std::string steps = passes > 1 ? fmt::format(" of {} steps", passes) : "";
  text += fmt::format("*: {:.3g} s an iteration{}, {} for {} of them at most, beside reading X and the start\n{}\n",
                      best.seconds * static_cast<double>(passes), steps, duration_text(seconds), parameters.max_iter,
                      command);
  log.print(text);
  if (script.empty()) return static_cast<int>(ExitStatus::done);
  constexpr double slow_disk = 200e6;  // bytes a second that a node reads, at the least
  const double reading =
      static_cast<double>(x.shape.rows) * x.row_bytes() / static_cast<double>(cluster.nodes) / slow_disk;
  write_script(script, batch_script(fit_command(line), !line.inputs().empty(), cluster, best, seconds + reading));
  return static_cast<int>(ExitStatus::done);
}

}  // namespace scanmf::app
