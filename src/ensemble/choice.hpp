#pragma once

#include "scanmf/ensemble/ensemble.hpp"

namespace scanmf {

/// The largest k that is stable: mean silhouette at least 0.8, that of every cluster at least 0.2. Where there is none,
/// the most stable k, with a warning; nothing where no k has a stability.
std::optional<Index> choose_by_stability(std::span<const MeasuresOfK> table);

/// The smallest k whose test error is within one standard error of the least one.
std::optional<Index> choose_by_test_error(std::span<const MeasuresOfK> table);

}  // namespace scanmf
