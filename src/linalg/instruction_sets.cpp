#include "linalg/instruction_sets.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <bit>
#include <cstdint>
#include <vector>

#include "hwy/targets.h"
#include "scanmf/linalg/operations.hpp"

namespace scanmf {

std::string instruction_sets() {
  std::vector<std::string> compiled;
  for (std::uint64_t left = static_cast<std::uint64_t>(HWY_TARGETS); left != 0; left &= left - 1)
    compiled.emplace_back(hwy::TargetName(std::int64_t{1} << std::countr_zero(left)));
  return fmt::format("{} (of {})", instruction_set(), fmt::join(compiled, ", "));
}

}  // namespace scanmf
