#pragma once

#include <omp.h>

#include <exception>

#include "scanmf/linalg/tile.hpp"

namespace scanmf {

template <Scalar T, class Body>
void for_each_tile(const Block<T>& block, Body&& body) {
  std::exception_ptr failure;
  std::visit(
      [&](const auto& matrix) {
        const Index tiles = block.tiles();
#pragma omp parallel
        {
          const Index threads = omp_get_num_threads();
          const int thread = omp_get_thread_num();
          const Index first = ((thread - block.first_tile) % threads + threads) % threads;
          try {
            for (Index t = first; t < tiles; t += threads) body(thread, t * matrix.tile_rows, matrix.tile(t));
          } catch (...) {
#pragma omp critical
            failure = std::current_exception();
          }
        }
      },
      block.matrix);
  if (failure) std::rethrow_exception(failure);
}

}  // namespace scanmf
