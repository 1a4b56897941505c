#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "scanmf/core/error.hpp"
#include "scanmf/core/log.hpp"
#include "scanmf/ensemble/ensemble.hpp"
#include "scanmf/parallel/environment.hpp"

namespace scanmf {
namespace {

/// Of what is free on a rank, for X.
constexpr double share_for_x = 0.6;

/// Bytes of X on the fullest rank when the smallest group has so many ranks.
Index bytes_of_x(const Communicator& comm, const MatrixDescription& description, DataType type, int groups) {
  return bytes_in_memory(description, type, comm.size() / groups);
}

}  // namespace

GroupPlan plan_groups(const Communicator& comm, std::optional<Index> wanted, const MatrixDescription& description,
                      DataType type, const MemoryLimit& limit, Index fits) {
  if (wanted && *wanted > comm.size())
    throw UsageError(fmt::format("--groups {} needs as many ranks: there are {}", *wanted, comm.size()));
  const double free = -comm.max(-static_cast<double>(available_memory(comm)));
  const auto share = static_cast<Index>(share_for_x * free);
  const Index most = limit.automatic ? share : limit.bytes.value_or(share);
  GroupPlan plan;
  if (wanted) {
    plan.groups = static_cast<int>(*wanted);
  } else {
    plan.groups = static_cast<int>(std::min<Index>(comm.size(), fits));
    while (plan.groups > 1 && bytes_of_x(comm, description, type, plan.groups) > most) --plan.groups;
  }
  plan.memory = limit;
  if (plan.groups == 1) return plan;
  if (limit.automatic) plan.memory = {false, share};  // a group would take the memory of the others for its own
  log_information(
      fmt::format("{} groups of ranks, each with all of X ({:.3g} GB on a rank): each takes its share of the "
                  "fits (option '--groups')",
                  plan.groups, static_cast<double>(bytes_of_x(comm, description, type, plan.groups)) / 1e9));
  return plan;
}

}  // namespace scanmf
