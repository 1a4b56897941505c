#pragma once

#include <omp.h>

#include <exception>

#include "scanmf/linalg/tile.hpp"

namespace scanmf {

/// Calls body(thread, t) for t = 0 … tiles − 1: tile t of a block whose first tile has the number `first_tile` belongs to thread (first_tile + t) mod
/// T.
template <class Body>
void for_each_tile_number(Index first_tile, Index tiles, Body&& body) {
  std::exception_ptr failure;
#pragma omp parallel
  {
    const Index threads = omp_get_num_threads();
    const int thread = omp_get_thread_num();
    const Index first = ((thread - first_tile) % threads + threads) % threads;
    try {
      for (Index t = first; t < tiles; t += threads) body(thread, t);
    } catch (...) {
#pragma omp critical
      failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
}

/// Calls body(thread, first row of the tile within the block, tile) for every tile of the block: tile j of a batch belongs to thread j mod T.
/// An exception of a thread is thrown again by the caller's.
template <Scalar T, class Body>
void for_each_tile(const Block<T>& block, Body&& body) {
  std::visit(
      [&](const auto& matrix) {
        for_each_tile_number(block.first_tile, block.tiles(),
                             [&](int thread, Index t) { body(thread, t * matrix.tile_rows, matrix.tile(t, omp_get_num_threads())); });
      },
      block.matrix);
}

}  // namespace scanmf
