#pragma once

#include <exception>
#include <vector>

#include "scanmf/core/team.hpp"

namespace scanmf::data {

/// Runs work(i, scratch of the thread) for i = 0 … count − 1 on all threads; throws what the lowest i threw.
template <class S, class F>
void for_all_parts(Index count, F&& work) {
  const Team team = count > 1 ? Team() : Team(1);
  std::vector<S> scratch(static_cast<std::size_t>(team.size()));
  std::vector<std::exception_ptr> failures(static_cast<std::size_t>(count));
  team.as_they_come(count, [&](int thread, Index i) {
    try {
      work(i, scratch[static_cast<std::size_t>(thread)]);
    } catch (...) {
      failures[static_cast<std::size_t>(i)] = std::current_exception();
    }
  });
  for (const std::exception_ptr& failure : failures)
    if (failure) std::rethrow_exception(failure);
}

}  // namespace scanmf::data
