#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "app/batch_script.hpp"
#include "app/commands.hpp"
#include "app/cost_model.hpp"
#include "app/ensemble_cost.hpp"
#include "app/run_log.hpp"
#include "app/run_setup.hpp"
#include "app/trial_fit.hpp"
#include "core/number_text.hpp"
#include "data/load.hpp"
#include "estimator/row_cost.hpp"
#include "scanmf/core/log.hpp"
#include "scanmf/ensemble/ensemble.hpp"
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
    const MatrixDescription file = describe_input(comm, line, class_name(line.estimator()));
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

/// Without a number of components.
Workload workload(const Communicator& comm, const CommandLine& line, const Parameters& parameters) {
  Workload x = workload_of_X(comm, line);
  x.type = choose_dtype(line, x.type);
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

/// An estimate of a fit or of an ensemble, from the options to the script.
class Estimate {
 public:
  Estimate(const Communicator& comm, const CommandLine& line, const RunLog& log)
      : comm_(comm),
        line_(line),
        log_(log),
        parameters_(line.parameters(line.estimator())),
        x_(workload(comm, line, parameters_)),
        cluster_(cluster_of(comm, line)) {}

  void of_fit() {
    x_.components = resolve_n_components(parameters_, x_.shape.columns, std::nullopt);
    warn_of_automatic_components(line_, x_.shape);
    const Speed speed = speed_at(x_.components);
    const std::vector<Layout> all = layouts(x_, cluster_, speed);
    const Layout& best = all.front();
    const double passes = steps_of_an_iteration();
    const double seconds = best.seconds * passes * static_cast<double>(parameters_.max_iter);
    const std::string text =
        fmt::format("{}; k = {}\n{}", facts(), x_.components, facts_of(speed)) + table_of(all, cluster_);
    if (best.node_memory > cluster_.node_memory) return nothing_fits(text);
    const std::string steps = passes > 1 ? fmt::format(" of {} steps", passes) : "";
    write(best, "model.h5", seconds);
    log_.print(text + fmt::format(
                          "*: {:.3g} s an iteration{}, {} for {} of them at most, beside reading X and the start\n{}\n",
                          best.seconds * passes, steps, duration_text(seconds), parameters_.max_iter, command(best)));
  }

  void of_ensemble() {
    const std::vector<Index> ks = parse_ks(line_.text("n-components")).value();
    const Index replicates = line_.number("replicates").value();
    const auto fits = static_cast<Index>(ks.size()) * replicates;
    const double iterations =
        static_cast<double>(replicates) * steps_of_an_iteration() * static_cast<double>(parameters_.max_iter);
    const std::vector<Speed> speeds = speeds_at(ks);
    std::vector<FitsOfK> of_ks;
    for (std::size_t i = 0; i < ks.size(); ++i) {
      x_.components = ks[i];
      of_ks.push_back({x_, speeds[i], iterations});
    }
    const std::vector<EnsembleLayout> all = ensemble_layouts(of_ks, fits, cluster_);
    const EnsembleLayout& best = all.front();
    const std::string text = fmt::format("{}; {} fits: k = {}, {} replicates each\n{}", facts(), fits,
                                         line_.text("n-components"), replicates, facts_of(speeds.back())) +
                             ensemble_table(all);
    if (!best.is_possible) return nothing_fits(text);
    write(best.ranks, "ensemble.h5", best.ranks.seconds);
    log_.print(
        text +
        fmt::format("*: {} for {} fits of {} iterations at most, beside reading X, the start and the consensus\n{}\n",
                    duration_text(best.ranks.seconds), fits, parameters_.max_iter, command(best.ranks)));
  }

 private:
  double steps_of_an_iteration() const {
    return x_.batch_rows > 0 ? std::ceil(static_cast<double>(x_.shape.rows) / static_cast<double>(x_.batch_rows)) : 1;
  }

  bool is_measured() const { return !line_.is_given("peak"); }

  Speed speed_at(Index components) {
    x_.components = components;
    if (is_measured()) return measure_speed(comm_, x_, parameters_);
    return speed_of(x_, giga * *parse_double(line_.text("peak")),
                    giga * *parse_double(line_.text("bandwidth")) / static_cast<double>(cluster_.cores));
  }

  /// Measured are the smallest and the largest k; the costs of others lie between them as k does.
  std::vector<Speed> speeds_at(const std::vector<Index>& ks) {
    std::vector<Speed> speeds;
    if (!is_measured()) {
      for (const Index k : ks) speeds.push_back(speed_at(k));
      return speeds;
    }
    const Speed least = speed_at(ks.front());
    const Speed most = ks.size() > 1 ? speed_at(ks.back()) : least;
    for (const Index k : ks) {
      const double share =
          static_cast<double>(k - ks.front()) / static_cast<double>(std::max<Index>(1, ks.back() - ks.front()));
      speeds.push_back({std::lerp(least.row_seconds, most.row_seconds, share),
                        std::lerp(least.column_seconds, most.column_seconds, share)});
    }
    return speeds;
  }

  std::string facts() const {
    return fmt::format("X: {} x {}, {} {}, {}", x_.shape.rows, x_.shape.columns,
                       x_.kind == StorageKind::dense ? "dense" : "sparse", name_of(x_.type), memory_text(bytes_of_x()));
  }
  std::string facts_of(const Speed& speed) const {
    return fmt::format("one core{}: {:.3g} s a row of X and {:.3g} s an iteration for H, {}\n",
                       line_.estimates_ensemble() ? " with the largest k" : "", speed.row_seconds, speed.column_seconds,
                       is_measured() ? fmt::format("measured here with {} threads", thread_count())
                                     : "at the least: by --peak and --bandwidth");
  }
  double bytes_of_x() const { return static_cast<double>(x_.shape.rows) * x_.row_bytes(); }

  std::string ensemble_table(const std::vector<EnsembleLayout>& all) const {
    std::string text = fmt::format("{:<26}{:>14}{:>14}{:>14}{:>18}\n", "  ranks a node x threads", "groups",
                                   "memory a rank", "memory a node", "all fits");
    for (const EnsembleLayout& one : all)
      text += fmt::format("{} {:<24}{:>14}{:>14}{:>14}{:>18}{}\n", &one == all.data() && one.is_possible ? '*' : ' ',
                          fmt::format("{} x {}", one.ranks.ranks_a_node, one.ranks.threads), one.groups,
                          memory_text(one.ranks.rank_memory), memory_text(one.ranks.node_memory),
                          duration_text(one.ranks.seconds),
                          !one.is_possible ? "  too much for a node"
                          : one.ranks.fits ? ""
                                           : "  X streamed");
    return text;
  }

  std::string command(const Layout& layout) const {
    return fmt::format("mpirun -n {} --map-by slot:PE={} --bind-to core {}", cluster_.nodes * layout.ranks_a_node,
                       layout.threads, estimated_command(line_));
  }

  /// With --sbatch that is an error, behind the text.
  void nothing_fits(const std::string& text) const {
    const std::string nothing =
        "no split of a node's cores fits into its memory: take more nodes, more memory or fewer components";
    const std::string script = line_.text("sbatch");
    log_.print(text + (script.empty() ? nothing + "\n" : ""));
    if (!script.empty()) throw AgreedError(fmt::format("{}; '{}' is not written (option '--sbatch')", nothing, script));
  }

  void write(const Layout& layout, const std::string& result, double seconds) const {
    const std::string script = line_.text("sbatch");
    if (script.empty()) return;
    constexpr double slow_disk = 200e6;  // bytes a second that a node reads, at the least
    const double reading = bytes_of_x() / static_cast<double>(cluster_.nodes) / slow_disk;
    write_script(script, batch_script(estimated_command(line_), !line_.inputs().empty(), result, cluster_, layout,
                                      seconds + reading));
  }

  const Communicator& comm_;
  const CommandLine& line_;
  const RunLog& log_;
  Parameters parameters_;
  Workload x_;
  Cluster cluster_;
};

}  // namespace

int estimate(const Communicator& comm, const CommandLine& line) {
  const RunLog log(comm, line);
  if (comm.size() > 1)
    throw UsageError("estimate runs as one rank, without mpirun: --nodes and --cores say what it is to be for");
  apply_threads(comm, line);
  if (const std::string script = line.text("sbatch"); !script.empty()) refuse_other_script(script);
  Estimate estimate(comm, line, log);
  line.estimates_ensemble() ? estimate.of_ensemble() : estimate.of_fit();
  return static_cast<int>(ExitStatus::done);
}

}  // namespace scanmf::app
