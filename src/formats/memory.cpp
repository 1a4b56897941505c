#include "formats/memory.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

#include "scanmf/core/error.hpp"

namespace scanmf::formats {
namespace {

std::string in_units(Index bytes) {
  const auto value = static_cast<double>(bytes);
  return value < 1e9 ? fmt::format("{:.3g} MB", value / 1e6) : fmt::format("{:.1f} GB", value / 1e9);
}

}  // namespace

void require_memory(std::optional<Index> bytes, const std::string& source, const ImportOptions& options) {
  constexpr Index unknown = std::numeric_limits<Index>::max();
  Index most = unknown;
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page = sysconf(_SC_PAGESIZE);
  if (pages > 0 && page > 0) most = Index{pages} * page;
  struct rlimit limit {};
  if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    most = std::min(most, static_cast<Index>(std::min<rlim_t>(limit.rlim_cur / 2, static_cast<rlim_t>(unknown))));
  if (bytes && *bytes <= std::min(most, options.most_held)) return;
  if (bytes && *bytes <= most)
    throw Error(
        fmt::format("'{}' takes {} of memory while it is brought into the order of rows, and {} may be taken (option "
                    "'--memory', else what is free here)",
                    source, in_units(*bytes), in_units(options.most_held)));
  throw Error(fmt::format("'{}' states sizes that take {} of memory: this machine has {}", source,
                          bytes ? in_units(*bytes) : "more than all machines have", in_units(most)));
}

}  // namespace scanmf::formats
