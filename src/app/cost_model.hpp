#pragma once

#include <vector>

#include "scanmf/core/types.hpp"
#include "scanmf/linalg/tile.hpp"

namespace scanmf::app {

/// What is to be factored. Plain numbers: nothing has been read.
struct Workload {
  Shape shape;
  StorageKind kind = StorageKind::dense;  // as it is held in memory
  Index stored = 0;                       // elements, or non-zeros
  DataType type = DataType::float64;
  Index components = 0;
  Index batch_rows = 0;  // of mini-batches; 0: an iteration is a pass over all rows
  Index products = 1;    // with X, in half an iteration: 1 for β = 2, else 2

  /// Bytes of an n × k array.
  double statistic() const;
  /// Operations of a row of X, by the formula 4·n·k (sparse: non-zeros for n) and twice that for β ≠ 2.
  double row_flops() const;
  double row_bytes() const;
};

struct Cluster {
  Index nodes = 1;
  Index cores = 1;  // of a node
  double node_memory = 0;
  double network_bytes_per_second = 12.5e9;  // of a node: 100 Gb/s
  double seconds_a_message = 2e-6;
};

/// Seconds of an iteration on one core: row_seconds a row of X, and column_seconds for H whatever the number of rows.
struct Speed {
  double row_seconds = 0;
  double column_seconds = 0;
};

/// From a core's operations a second in matrix products and the bytes a second that its share of the memory gives.
Speed speed_of(const Workload& x, double core_flops, double core_bandwidth);

/// One way to use the cluster, and what it costs.
struct Layout {
  Index ranks_a_node = 1;
  Index threads = 1;          // of a rank
  double rank_memory = 0;     // bytes
  double node_memory = 0;     // bytes
  bool fits = true;           // X in memory; else it is streamed
  double seconds = 0;         // of an iteration (a step of mini-batches), without reading X from its file
  double sent_by_a_rank = 0;  // bytes, in that time
};

/// The formulas of src/scaling.md. Memory was measured, see decision 265.
Layout cost_of(const Workload& x, const Cluster& cluster, const Speed& speed, Index ranks_a_node);

/// All splits of a node's cores into equal ranks, and the best of them first: those that a node's memory is enough for
/// before others, then those whose X fits, then the fastest; of equally fast ones (to 2 %) the one with the fewest
/// ranks.
std::vector<Layout> layouts(const Workload& x, const Cluster& cluster, const Speed& speed);

}  // namespace scanmf::app
