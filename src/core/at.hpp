#pragma once

#include "scanmf/core/types.hpp"

namespace scanmf {

/// A number of ours as the place in a standard container.
constexpr std::size_t at(Index i) { return static_cast<std::size_t>(i); }

}  // namespace scanmf
