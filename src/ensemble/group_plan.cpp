#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "ensemble/options.hpp"
#include "estimator/factor_memory.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/log.hpp"
#include "scanmf/ensemble/ensemble.hpp"

namespace scanmf {
namespace {

/// Bytes of X on the fullest rank when the smallest group has so many ranks.
Index bytes_of_x(const Communicator& comm, const MatrixDescription& description, DataType type, int groups) {
  return bytes_in_memory(description, type, comm.size() / groups);
}

}  // namespace

GroupPlan plan_groups(const Communicator& comm, std::optional<Index> wanted, const MatrixDescription& description,
                      DataType type, const MemoryLimit& limit, const Parameters& parameters,
                      const EnsembleOptions& options) {
  if (wanted && *wanted < 1)
    throw UsageError(
        fmt::format("the number of groups must be at least 1. Got {} instead "
                    "(option '--groups')",
                    *wanted));
  if (wanted && *wanted > comm.size())
    throw UsageError(fmt::format("--groups {} needs as many ranks: there are {}", *wanted, comm.size()));
  if (options.ks.empty()) throw UsageError("an ensemble needs at least one number of components (option '-k')");
  const Index k = options.ks.back();
  const ObservedSums observed = observed_sums(parameters, options, description.kind());
  const Index fits = static_cast<Index>(options.ks.size()) * options.replicates;
  GroupPlan plan;
  plan.groups = static_cast<int>(wanted.value_or(std::clamp<Index>(fits, 1, comm.size())));
  while (!wanted && plan.groups > 1 &&
         !fits_in_memory(comm, limit, description, k, type, observed, comm.size() / plan.groups))
    --plan.groups;
  plan.memory = limit;
  if (plan.groups == 1 && observed == observed_sums(parameters, description.kind())) return plan;
  // A group alone would take the memory of the others for its own, and a fit alone knows no cross-validation.
  plan.memory = {false,
                 plan_memory_of(comm, comm.size() / plan.groups, limit, description, k, type, HeldW::always, observed)};
  if (plan.groups == 1) return plan;
  log_information(
      fmt::format("{} groups of ranks, each with all of X ({:.3g} GB on a rank): each takes its share of the "
                  "fits (option '--groups')",
                  plan.groups, static_cast<double>(bytes_of_x(comm, description, type, plan.groups)) / 1e9));
  return plan;
}

SampleWeights weights_of_group(const Communicator& comm, const Communicator& group, const SampleWeights& weights,
                               Index rows) {
  if (!weights || group.size() == comm.size()) return weights;
  std::vector<double> all(static_cast<std::size_t>(rows), 0);
  std::ranges::copy(*weights, all.begin() + equal_slice(comm, rows).begin);
  comm.allreduce_sum(std::span(all));
  const Range own = equal_slice(group, rows);
  return std::vector<double>(all.begin() + own.begin, all.begin() + own.end);
}

}  // namespace scanmf
