#include "app/run_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>
#include <vector>

#include "linalg/lapack.hpp"
#include "scanmf/core/team.hpp"
#include "scanmf/core/timer.hpp"
#include "scanmf/linalg/operations.hpp"
#include "scanmf/parallel/environment.hpp"

namespace scanmf::app {
namespace {

/// Collective. Calls `work` a few times; seconds of the fastest time, of the slowest rank.
template <class Work>
double best_seconds(const Communicator& comm, int times, Work&& work) {
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < times; ++i) {
    comm.barrier();
    const Timer timer;
    work();
    best = std::min(best, comm.max(timer.seconds()));
  }
  return best;
}

/// Operations a second of all ranks' matrix products: the better of the BLAS library and of the program's own kernel on
/// a tile that stays in the cache.
template <Scalar T>
double measure_products(const Communicator& comm) {
  constexpr Index side = 384;
  const Index rows = side * thread_count();
  const Matrix<T> a(rows, side, T{1});
  const Matrix<T> b(side, side, T{1});
  Matrix<T> c(rows, side);
  const double library = best_seconds(comm, 4, [&] { multiply<T>(a.view(), b.view(), c.view()); });

  constexpr Index tile_rows = 92;
  constexpr Index components = 48;
  const DenseTile<T> tile{tile_rows, side, b.data()};
  const Matrix<T> w(tile_rows, components, T{1});
  constexpr int repetitions = 32;
  const double own = best_seconds(comm, 4, [&] {
    Team().run([&](int) {
      Accumulator<T> sums(StorageKind::dense, side, components);
      sums.set_zero();
      Workspace<T> work;
      for (int i = 0; i < repetitions; ++i) accumulate<T>(tile, w.view(), sums, work);
    });
  });
  const auto products = [&](Index terms) { return comm.sum(2.0 * static_cast<double>(terms)); };
  return std::max(products(rows * side * side) / library,
                  products(tile_rows * side * components * repetitions * thread_count()) / own);
}

/// Reads `bytes` bytes with all threads; the sum keeps a compiler from leaving that out. Integers: adding numbers would
/// be slower than reading them.
std::uint64_t read_bytes(const void* memory, Index bytes) {
  constexpr Index word = sizeof(std::uint64_t);
  const auto* from = static_cast<const char*>(memory);
  const Team team;
  std::vector<std::uint64_t> totals(static_cast<std::size_t>(team.size()), 0);
  team.in_parts(bytes / word, [&](int thread, Range part) {
    std::uint64_t total = 0;
#pragma omp simd reduction(+ : total)
    for (Index i = part.begin; i < part.end; ++i) {
      std::uint64_t value = 0;
      std::memcpy(&value, from + i * word, word);
      total += value;
    }
    totals[static_cast<std::size_t>(thread)] = total;
  });
  return std::accumulate(totals.begin(), totals.end(), std::uint64_t{0});
}

/// Bytes a second at which all ranks read X, or the beginning of it, which is enough to outgrow the caches.
template <Scalar T>
double measure_reading(DataSource<T>& x) {
  constexpr Index most = Index{512} << 20;
  const Communicator& comm = x.communicator();
  volatile std::uint64_t sink = 0;
  Index done = 0;
  const auto read_part = [&](const void* memory, Index elements) {
    const Index bytes = std::min(elements * static_cast<Index>(sizeof(T)), most - done);
    sink = sink + read_bytes(memory, bytes);
    done += bytes;
  };
  const auto read_block = [&](const Block<T>& block) {
    std::visit(
        [&](const auto& matrix) {
          if constexpr (requires { matrix.packed; }) {
            read_part(matrix.packed, matrix.rows * padded_columns<T>(matrix.columns));
          } else {
            read_part(matrix.value + matrix.row_begin[0], matrix.row_begin[matrix.rows] - matrix.row_begin[0]);
          }
        },
        block.matrix);
  };
  const double seconds = best_seconds(comm, 3, [&] {
    done = 0;
    for (Index batch = 0; batch < x.partition().batches() && done < most; ++batch) x.visit(batch, read_block);
  });
  return static_cast<double>(comm.sum(done)) / seconds;
}

struct Spread {
  double least = 0;
  double mean = 0;
  double most = 0;
};

/// Collective.
Spread spread_over_ranks(const Communicator& comm, double value) {
  const std::vector<double> all = comm.allgather(value);
  double sum = 0;
  for (const double one : all) sum += one;
  return {*std::min_element(all.begin(), all.end()), sum / static_cast<double>(all.size()),
          *std::max_element(all.begin(), all.end())};
}

std::string bytes_text(double bytes) {
  const char* units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  std::size_t unit = 0;
  while (bytes >= 1000 && unit + 1 < std::size(units)) {
    bytes /= 1000;
    ++unit;
  }
  return fmt::format("{:.3g} {}", bytes, units[unit]);
}

/// How evenly X is shared out.
void add_shares(const Communicator& comm, const Share& share, RunTable& table) {
  const Spread spread = spread_over_ranks(comm, static_cast<double>(share.elements));
  const char* const what = share.kind == StorageKind::csr ? "non-zeros" : "elements of X";
  const double excess = spread.mean > 0 ? 100 * (spread.most / spread.mean - 1) : 0;
  table.text += fmt::format("{:<16}{:>10.4g}{:>10.4g}{:>10.4g}  of a rank, the most {:.1f} % above the mean\n", what,
                            spread.least, spread.mean, spread.most, excess);
  table.json["elements"] = {{"least", spread.least}, {"mean", spread.mean}, {"most", spread.most}};
}

/// Collectives of the passes, beside the time that they would take without waiting: a ring moves (P − 1)/P of an array
/// (an all-reduce twice that), in no fewer than log2 P messages.
void add_communication(const Communicator& comm, const RunReport& report, const LinkSpeed& link, RunTable& table) {
  if (comm.size() == 1 || link.bytes_per_second <= 0 || report.passes == 0) return;
  const double ranks = comm.size();
  table.text += fmt::format("{:<16}{:>10}{:>10}{:>10}{:>10}{:>10}\n", "collectives", "calls", "bytes", "mean s",
                            "most s", "bound s");
  const auto add_line = [&](const char* name, const CollectiveCost& cost, double times) {
    const Spread seconds = spread_over_ranks(comm, cost.seconds);
    const double bound = times * (ranks - 1) / ranks * cost.bytes / link.bytes_per_second +
                         std::ceil(std::log2(ranks)) * static_cast<double>(cost.calls) * link.seconds_a_message;
    if (cost.calls == 0) return;
    table.text += fmt::format("{:<16}{:>10}{:>10}{:>10.3f}{:>10.3f}{:>10.3f}\n", name, cost.calls,
                              bytes_text(cost.bytes), seconds.mean, seconds.most, bound);
    table.json["collectives"][name] = {
        {"calls", cost.calls}, {"bytes", cost.bytes}, {"mean", seconds.mean}, {"most", seconds.most}, {"bound", bound}};
  };
  add_line("all-reduce", report.allreduce, 2);
  add_line("reduce-scatter", report.reduce_scatter, 1);
  add_line("all-gather", report.allgather, 1);
  add_line("exchange of X", report.exchange, ranks / (ranks - 1));  // no ring: bytes are those received
  table.text += fmt::format(
      "bound: {:.3g} GB/s and {:.3g} µs a message between neighbouring ranks; what is above it is waiting for the "
      "slowest rank\n",
      link.bytes_per_second * 1e-9, link.seconds_a_message * 1e6);
  table.json["link_bytes_per_second"] = link.bytes_per_second;
  table.json["link_seconds_a_message"] = link.seconds_a_message;
}

/// Rates and the roofline, when there was a pass over X.
void add_rates(const Communicator& comm, const RunReport& report, const MachineLimits& limits, RunTable& table) {
  const auto phase = [&report](Phase p) { return report.times.seconds[static_cast<std::size_t>(p)]; };
  const double loop = comm.max(phase(Phase::wait_for_data) + phase(Phase::solve_blocks) + phase(Phase::communicate) +
                               phase(Phase::update_h));
  const double flops = comm.sum(report.block_flops);
  const double bytes = comm.sum(report.block_bytes);
  if (report.passes == 0 || loop <= 0) return;
  table.text += fmt::format("{} passes over X, {:.4g} s each: {:.4g} GFLOP/s, {:.4g} GB/s\n", report.passes,
                            loop / static_cast<double>(report.passes), flops / loop * 1e-9, bytes / loop * 1e-9);
  table.json["passes"] = report.passes;
  table.json["gflops"] = flops / loop * 1e-9;
  table.json["gbytes_per_second"] = bytes / loop * 1e-9;
  if (limits.x_in_caches) table.text += "roofline: none, X is so small that it lies in the caches\n";
  if (limits.flops_per_second <= 0 || limits.bytes_per_second <= 0) return;
  const double shortest = std::max(bytes / limits.bytes_per_second, flops / limits.flops_per_second);
  table.text += fmt::format("roofline: {:.4g} GFLOP/s of matrix products, {:.4g} GB/s read; {:.0f} % of it reached\n",
                            limits.flops_per_second * 1e-9, limits.bytes_per_second * 1e-9, 100 * shortest / loop);
  table.json["roofline_fraction"] = shortest / loop;
  table.json["ideal_seconds_per_iteration"] = shortest / static_cast<double>(report.passes);
}

}  // namespace

template <Scalar T>
MachineLimits measure_limits(DataSource<T>& x) {
  constexpr Index caches = Index{64} << 20;
  const Communicator& comm = x.communicator();
  MachineLimits limits;
  limits.link = measure_link_speed(comm);
  const bool in_memory = comm.max<Index>(x.in_memory() ? 0 : 1) == 0;
  limits.x_in_caches = in_memory && comm.max(x.bytes()) < caches;
  if (!in_memory || limits.x_in_caches) return limits;
  limits.flops_per_second = measure_products<T>(comm);
  limits.bytes_per_second = measure_reading(x);
  // A core may have been disturbed for a while.
  limits.flops_per_second = std::max(limits.flops_per_second, measure_products<T>(comm));
  return limits;
}

RunTable make_run_table(const Communicator& comm, const RunReport& report, const MachineLimits& limits,
                        const Share& share, double seconds) {
  const Spread whole = spread_over_ranks(comm, seconds);
  RunTable table;
  table.text = fmt::format("{:<16}{:>10}{:>10}{:>10}{:>8}\n", "seconds", "least", "mean", "most", "share");
  double others = seconds;
  const auto add_line = [&](const char* name, double own) {
    const Spread spread = spread_over_ranks(comm, own);
    if (spread.most <= 0) return;
    table.text += fmt::format("{:<16}{:>10.3f}{:>10.3f}{:>10.3f}{:>7.1f}%\n", name, spread.least, spread.mean,
                              spread.most, 100 * spread.mean / whole.mean);
    table.json["phases"][name] = {{"least", spread.least}, {"mean", spread.mean}, {"most", spread.most}};
  };
  for (std::size_t phase = 0; phase < phase_names.size(); ++phase) {
    add_line(phase_names[phase], report.times.seconds[phase]);
    others -= report.times.seconds[phase];
  }
  add_line("everything else", std::max(others, 0.0));
  add_line("all", seconds);
  add_shares(comm, share, table);
  const double peak = static_cast<double>(comm.max(peak_memory()));
  const double bytes = static_cast<double>(comm.sum(comm.bytes()));
  table.text += fmt::format("{} communicated, peak memory of a rank {}, {} ranks of {} threads\n", bytes_text(bytes),
                            bytes_text(peak), comm.size(), comm.max<Index>(thread_count()));
  table.json["bytes_communicated"] = bytes;
  table.json["peak_memory"] = peak;
  add_communication(comm, report, limits.link, table);
  add_rates(comm, report, limits, table);
  return table;
}

template MachineLimits measure_limits(DataSource<float>&);
template MachineLimits measure_limits(DataSource<double>&);

}  // namespace scanmf::app
