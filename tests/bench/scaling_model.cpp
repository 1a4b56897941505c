// The ranks' talk during a fit, with the program's own Communicator and RowPartition, under a simulator: computing is
// replaced by simulated time.
//
//     scaling_model ROWS COLUMNS COMPONENTS ITERATIONS SECONDS_A_ROW SECONDS_A_COLUMN SECONDS_REPLICATED
//
// SECONDS_A_ROW: visiting a row of X; SECONDS_A_COLUMN: updating a column of H; SECONDS_REPLICATED: what every rank
// does for itself in each iteration. Prints simulated seconds of an iteration: all, small all-reduces, reduce-scatter,
// all-gather (of rank 0). scaling_model.py builds and runs it.
#include <smpi/smpi.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <vector>

#include "scanmf/linalg/tile.hpp"
#include "scanmf/parallel/ordered_sum.hpp"
#include "scanmf/parallel/row_partition.hpp"

namespace {

using scanmf::Index;

constexpr double flops_a_second = 1e9;  // of a simulated core, see scaling_model.py

void compute(double seconds) { smpi_execute_flops(seconds * flops_a_second); }

/// Simulated seconds since the last call.
double lap(double& last) {
  const double now = MPI_Wtime();
  const double passed = now - last;
  last = now;
  return passed;
}

/// This rank's nodes, all with the same values.
template <class T>
std::vector<scanmf::NodeValues<T>> nodes_of(const scanmf::OrderedSum& sum, std::span<T> values) {
  std::vector<scanmf::NodeValues<T>> nodes;
  for (const scanmf::TreeNode node : sum.own_nodes()) nodes.push_back({node, values});
  return nodes;
}

scanmf::OrderedSum sum_over_columns(const scanmf::Communicator& comm, Index columns, std::vector<Index> offsets) {
  const Index group = scanmf::column_group(columns);
  for (Index& offset : offsets) offset = (offset + group - 1) / group;
  const Index groups = offsets.back();
  return {comm, groups, std::move(offsets)};
}

/// Of an iteration: all of it, and the parts.
void print(const scanmf::Communicator& comm, std::array<double, 4> seconds, int iterations) {
  seconds[0] = comm.max(seconds[0]);
  if (comm.is_root())
    std::printf("%.9f %.9f %.9f %.9f\n", seconds[0] / iterations, seconds[1] / iterations, seconds[2] / iterations,
                seconds[3] / iterations);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 8) return 2;
  const Index rows = std::atoll(argv[1]);
  const Index columns = std::atoll(argv[2]);
  const Index k = std::atoll(argv[3]);
  const int iterations = std::atoi(argv[4]);
  const double seconds_a_row = std::atof(argv[5]);
  const double seconds_a_column = std::atof(argv[6]);
  const double seconds_replicated = std::atof(argv[7]);
  MPI_Init(&argc, &argv);
  {
    const scanmf::Communicator comm;
    const scanmf::Tiling tiling = scanmf::tiling_for(scanmf::StorageKind::dense, {rows, columns}, 0);
    const scanmf::RowPartition partition(rows, rows, tiling.tile_rows, tiling.tiles_a_stratum, comm.size());
    const std::vector<Index> cuts(partition.cuts().begin(), partition.cuts().end());
    // One rank at a time: latencies are not hidden, and the simulator need not share links among many messages, which
    // takes it a time that grows with the cube of the ranks.
    scanmf::OrderedSum over_strata(comm, partition.strata(), cuts, 1);
    std::vector<Index> offsets = scanmf::column_slices(columns, comm.size());
    const auto rank = static_cast<std::size_t>(comm.rank());
    const Index slice = offsets[rank + 1] - offsets[rank];
    const scanmf::OrderedSum over_columns = sum_over_columns(comm, columns, offsets);
    for (Index& offset : offsets) offset *= k;
    // Of all ranks at the same place: what is in it does not matter, and a thousand copies may not fit.
    const auto length = static_cast<std::size_t>(columns * k);
    auto* const memory = static_cast<float*>(SMPI_SHARED_MALLOC(length * sizeof(float)));
    const std::span<float> statistic(memory, length);
    std::vector<double> small(static_cast<std::size_t>(8 + k * k));
    std::vector<double> of_H(static_cast<std::size_t>(4 + k * k));
    std::array<double, 4> seconds{};

    comm.barrier();
    for (int i = 0; i < iterations; ++i) {  // as in estimator/pass_runner.cpp
      double last = MPI_Wtime();
      const double begin = last;
      compute(seconds_replicated);
      compute(seconds_a_row * static_cast<double>(partition.local_rows(comm.rank())));
      lap(last);
      comm.max(0);
      over_strata.to_all(nodes_of(over_strata, std::span(small)), small);
      seconds[1] += lap(last);
      over_strata.to_slices<float>(nodes_of(over_strata, statistic), offsets, statistic);
      seconds[2] += lap(last);
      compute(seconds_a_column * static_cast<double>(slice));
      lap(last);
      comm.max(0);
      seconds[1] += lap(last);
      comm.allgather(statistic, offsets);
      seconds[3] += lap(last);
      over_columns.to_all(nodes_of(over_columns, std::span(of_H)), of_H);
      seconds[1] += lap(last);
      seconds[0] += MPI_Wtime() - begin;
    }
    print(comm, seconds, iterations);
    SMPI_SHARED_FREE(memory);
  }
  MPI_Finalize();
  return 0;
}
