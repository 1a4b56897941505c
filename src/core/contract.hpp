#pragma once

#include <cstdio>
#include <cstdlib>
#include <source_location>

namespace scanmf {

/// Contracts, what a function's comment asks of its callers, are checked in debug builds.
#ifdef NDEBUG
inline constexpr bool contracts_are_checked = false;
#else
inline constexpr bool contracts_are_checked = true;
#endif

/// Ends the process with the place where the contract is broken.
inline void expect(bool holds, const char* contract, std::source_location where = std::source_location::current()) {
  if (!contracts_are_checked || holds) return;
  std::fprintf(stderr, "%s:%u: %s: broken contract: %s\n", where.file_name(), static_cast<unsigned>(where.line()),
               where.function_name(), contract);
  std::abort();
}

}  // namespace scanmf
