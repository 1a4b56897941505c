#include "ensemble/choice.hpp"

#include <fmt/format.h>

#include <cmath>

#include "scanmf/core/log.hpp"

namespace scanmf {

std::optional<Index> choose_by_stability(std::span<const MeasuresOfK> table) {
  constexpr double stable = 0.8;
  constexpr double stable_cluster = 0.2;
  std::optional<Index> chosen;
  const MeasuresOfK* best = nullptr;
  for (const MeasuresOfK& one : table) {
    if (one.stability >= stable && one.least_cluster_stability >= stable_cluster) chosen = one.k;
    if (one.stability >= (best != nullptr ? best->stability : -2) &&
        (best == nullptr || one.stability > best->stability))
      best = &one;
  }
  if (chosen) return chosen;
  if (best == nullptr) {
    log_warning(
        "no k can be chosen: none has a consensus whose stability is known (more --replicates, or another "
        "--density-threshold)");
    return std::nullopt;
  }
  log_warning(fmt::format(
      "no k is stable (stability of at least {} and of each cluster at least {}): k = {} is the most stable, {:.3f}",
      stable, stable_cluster, best->k, best->stability));
  return best->k;
}

std::optional<Index> choose_by_test_error(std::span<const MeasuresOfK> table) {
  const MeasuresOfK* least = nullptr;
  for (const MeasuresOfK& one : table)
    if (std::isfinite(one.cv_error) && (least == nullptr || one.cv_error < least->cv_error)) least = &one;
  if (least == nullptr) {
    log_warning(
        "no k can be chosen: none has a consensus and a test error (more --replicates, or another "
        "--density-threshold)");
    return std::nullopt;
  }
  for (const MeasuresOfK& one : table)
    if (one.cv_error <= least->cv_error + least->cv_error_se) return one.k;
  return least->k;
}

}  // namespace scanmf
