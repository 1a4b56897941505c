#include "app/cost_model.hpp"

#include <algorithm>
#include <cmath>

namespace scanmf::app {
namespace {

constexpr double replicated_sweeps = 10;   // times that a rank goes through an n × k array in an iteration
constexpr double program_memory = 35e6;    // of a rank: program, MPI and BLAS
constexpr double link_memory = 14e6;       // what MPI takes of a rank that is not alone: 6 to 20, by its transports
constexpr double streamed_memory = 256e6;  // pieces of X that are read ahead, at most

double as_double(Index value) { return static_cast<double>(value); }

}  // namespace

double Workload::statistic() const {
  return as_double(shape.columns) * as_double(components) * as_double(size_of(type));
}

double Workload::row_flops() const {
  return 4 * as_double(products) * as_double(stored) / as_double(shape.rows) * as_double(components);
}

double Workload::row_bytes() const {
  if (kind == StorageKind::dense) {
    const Index grain = type == DataType::float32 ? column_grain<float> : column_grain<double>;
    return std::ceil(as_double(shape.columns) / as_double(grain)) * as_double(grain * size_of(type));
  }
  return as_double(stored) / as_double(shape.rows) * as_double(size_of(type) + 4) + sizeof(Index);
}

Speed speed_of(const Workload& x, double core_flops, double core_bandwidth) {
  const double sweeps = x.kind == StorageKind::dense ? 1 : 2;
  const double of_column = 4 * as_double(x.components) * as_double(x.components) / core_flops;
  return {std::max(x.row_flops() / core_flops, sweeps * x.row_bytes() / core_bandwidth),
          as_double(x.shape.columns) * of_column + replicated_sweeps * x.statistic() / core_bandwidth};
}

Layout cost_of(const Workload& x, const Cluster& cluster, const Speed& speed, Index ranks_a_node) {
  Layout layout;
  layout.ranks_a_node = ranks_a_node;
  layout.threads = cluster.cores / ranks_a_node;
  const double ranks = as_double(cluster.nodes * ranks_a_node);
  const double threads = as_double(layout.threads);
  const double statistic = x.statistic();
  const Index rows_of_pass = x.batch_rows > 0 ? std::min(x.batch_rows, x.shape.rows) : x.shape.rows;
  const auto stored_of_pass =
      static_cast<Index>(as_double(x.stored) * as_double(rows_of_pass) / as_double(std::max<Index>(1, x.shape.rows)));
  const double sums = as_double(sums_at_a_time(x.kind, {rows_of_pass, x.shape.columns}, stored_of_pass,
                                               cluster.nodes * ranks_a_node, layout.threads));

  // H twice, its sums, statistics of strata; W; X.
  const double rows = std::ceil(as_double(x.shape.rows) / ranks);
  const double own = program_memory + (ranks > 1 ? link_memory : 0) + (4 + (ranks > 1 ? 1 : 0) + sums) * statistic +
                     rows * as_double(x.components) * as_double(size_of(x.type));
  layout.rank_memory = own + rows * x.row_bytes();
  layout.fits = layout.rank_memory * as_double(ranks_a_node) <= cluster.node_memory;
  if (!layout.fits) layout.rank_memory = own + std::min(rows * x.row_bytes(), streamed_memory);
  layout.node_memory = layout.rank_memory * as_double(ranks_a_node);

  // Rows are shared by all cores; of the rest, what each rank does for itself is shared by its threads alone.
  layout.seconds = as_double(rows_of_pass) * speed.row_seconds / (ranks * threads) + speed.column_seconds / threads;
  if (ranks == 1) return layout;
  const double steps = std::ceil(std::log2(ranks));
  const double bandwidth = cluster.network_bytes_per_second / (cluster.nodes > 1 ? as_double(ranks_a_node) : 1);
  const double small = 8 * (12 + 2 * as_double(x.components) * as_double(x.components));
  const double array = (ranks - 1) / ranks * statistic;  // of a reduce-scatter, of an all-gather
  layout.sent_by_a_rank = 2 * array + 2 * small;
  layout.seconds += steps * (2 * cluster.seconds_a_message + small / bandwidth) +
                    2 * (steps * cluster.seconds_a_message + array / bandwidth);
  return layout;
}

std::vector<Layout> layouts(const Workload& x, const Cluster& cluster, const Speed& speed) {
  std::vector<Layout> all;
  for (Index ranks = 1; ranks <= cluster.cores; ++ranks)
    if (cluster.cores % ranks == 0) all.push_back(cost_of(x, cluster, speed, ranks));
  const auto is_possible = [&cluster](const Layout& layout) { return layout.node_memory <= cluster.node_memory; };
  const auto is_better = [&](const Layout& a, const Layout& b) {
    if (is_possible(a) != is_possible(b)) return is_possible(a);
    if (a.fits != b.fits) return a.fits;
    return a.seconds < 0.98 * b.seconds;
  };
  const auto best = std::min_element(all.begin(), all.end(), is_better);
  std::rotate(all.begin(), best, best + 1);
  return all;
}

}  // namespace scanmf::app
