#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "scanmf/data/data_source.hpp"
#include "scanmf/estimator/estimator.hpp"
#include "scanmf/parallel/communicator.hpp"
#include "scanmf/parallel/link_speed.hpp"

namespace scanmf::app {

/// What the ranks and threads of a run can do together, measured in a few milliseconds. Nothing but the link where X is
/// not in memory, or lies in the caches: there is no roofline then.
struct MachineLimits {
  bool x_in_caches = false;     // all of it, on every rank: a pass of mini-batches is one of them
  double flops_per_second = 0;  // matrix products of the run's type
  double bytes_per_second = 0;  // reading X as it is laid out
  LinkSpeed link;               // between ranks
};

/// Collective. All ranks measure at the same time, as they share caches and memory in a run.
template <Scalar T>
MachineLimits measure_limits(DataSource<T>& x);

/// The end-of-run table.
struct RunTable {
  std::string text;
  nlohmann::json json;
};

/// What of X belongs to this rank.
struct Share {
  StorageKind kind = StorageKind::dense;
  Index elements = 0;
  Index bytes = 0;  // in memory
};

template <Scalar T>
Share share_of(const DataSource<T>& x) {
  return {x.kind(), x.summary().local, x.bytes()};
}

/// Collective. Seconds of each phase (least, mean and most of the ranks, share of the whole), elements of X a rank,
/// bytes communicated, peak memory, the collectives of the passes beside the least time that their bytes take between
/// ranks, rates, and the fraction T*/T of the roofline: T* = max(bytes read / bandwidth, operations / peak of matrix
/// products), T = the time of the passes. `seconds`: of the whole run on this rank.
RunTable make_run_table(const Communicator& comm, const RunReport& report, const MachineLimits& limits,
                        const Share& share, double seconds);

}  // namespace scanmf::app
