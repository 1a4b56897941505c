#pragma once

#include <omp.h>

#include <exception>
#include <vector>

#include "scanmf/core/types.hpp"

namespace scanmf::data {

/// Runs work(i, scratch of the thread) for i = 0 … count − 1 on all threads; throws what the lowest i threw.
template <class S, class F>
void for_all_parts(Index count, F&& work) {
  std::vector<S> scratch(static_cast<std::size_t>(omp_get_max_threads()));
  std::exception_ptr error;
  Index failed = count;
#pragma omp parallel for schedule(dynamic, 1) if (count > 1)
  for (Index i = 0; i < count; ++i) {
    try {
      work(i, scratch[static_cast<std::size_t>(omp_get_thread_num())]);
    } catch (...) {
#pragma omp critical(scanmf_failed_part)
      if (i < failed) {
        failed = i;
        error = std::current_exception();
      }
    }
  }
  if (error) std::rethrow_exception(error);
}

}  // namespace scanmf::data
