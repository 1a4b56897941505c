#include "formats/memory.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <limits>

#include "scanmf/core/error.hpp"

namespace scanmf::formats {

void require_memory(std::optional<Index> bytes, const std::string& source) {
  constexpr Index unknown = std::numeric_limits<Index>::max();
  Index most = unknown;
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page = sysconf(_SC_PAGESIZE);
  if (pages > 0 && page > 0) most = Index{pages} * page;
  struct rlimit limit {};
  if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
    most = std::min(most, static_cast<Index>(std::min<rlim_t>(limit.rlim_cur / 2, static_cast<rlim_t>(unknown))));
  if (bytes && *bytes <= most) return;
  throw Error(
      fmt::format("'{}' states sizes that take {} of memory: this machine has {:.1f} GB", source,
                  bytes ? fmt::format("{:.1f} GB", static_cast<double>(*bytes) / 1e9) : "more than all machines have",
                  static_cast<double>(most) / 1e9));
}

}  // namespace scanmf::formats
