#pragma once

#include <algorithm>

#include "scanmf/core/types.hpp"

namespace scanmf::data {

constexpr int most_slots = 4;                  // blocks of a rank that are read, ready or visited
constexpr Index local_parts = most_slots + 1;  // of the memory: one for each slot, one for chunks that are needed again
constexpr Index sparse_exchange_parts = most_slots + 2;  // one more for elements received
constexpr Index dense_exchange_parts = most_slots + 3;   // one for rows received, one for rows packed
constexpr Index thread_bytes =
    Index{512} << 10;  // of a block: large enough to hide its overhead, small enough for all slots to stay in the cache

/// How many of some bytes each are kept to spare, where threads do not take chunks exactly in order.
constexpr Index spare_chunks(Index bytes_left, Index bytes_of_one, Index threads) {
  return bytes_of_one == 0 ? 0 : std::min(threads, bytes_left / bytes_of_one);
}

/// Blocks of dense rows that one rank streams, and the chunks of the file that they are cut from: plain arithmetic.
///
///     chunks of the file   |        0        |        1        |        2        |     two units across each
///     blocks               |    0    |    1    |    2    |    3    |    4    |         whole tiles; a chunk may
///                                                                                     lie across two
struct DenseStreamPlan {
  Index tile_rows = 1;
  Index tiles_a_stratum = 1;  // what one thread visits
  Index tile_bytes = 1;       // of a packed tile
  Index longest_piece = 1;    // rows of this rank in a batch, at most
  Index threads = 1;
  Index unit_rows = 1;     // of the array
  Index units_across = 1;  // units side by side
  Index chunk_rows = 0;    // 0: not chunked
  Index chunk_bytes = 0;   // inflated; 0: not compressed

  Index tiles_within(Index bytes) const { return std::max<Index>(1, bytes / tile_bytes); }
  Index tiles_of(Index rows) const { return (rows + tile_rows - 1) / tile_rows; }

  /// Rows of a block that takes at most `limit` bytes, but one tile at least.
  Index block_rows_within(Index limit) const {
    const Index strata = threads == 1 ? 1 : tiles_a_stratum;  // so that each thread has some of a block
    const Index wanted = std::max({Index{1}, thread_bytes / tile_bytes, (tiles_of(unit_rows) + threads - 1) / threads});
    const Index tiles_a_thread = (wanted + strata - 1) / strata * strata;
    const Index tiles = std::min({tiles_within(limit), tiles_of(longest_piece), tiles_a_thread * threads});
    return (tiles > strata ? tiles / strata * strata : tiles) * tile_rows;
  }

  /// Of all chunks that lie side by side, in so many rows of chunks.
  Index bytes_of_chunks(Index rows) const { return rows * units_across * chunk_bytes; }
  bool chunks_fit(Index rows, Index limit) const { return chunk_bytes > 0 && bytes_of_chunks(rows) <= limit; }
  /// Chunks may lie across blocks and batches: as many are kept as lie side by side in so many rows of chunks, which
  /// fit.
  Index kept_chunks(Index rows, Index limit) const {
    return rows * units_across + spare_chunks(limit - bytes_of_chunks(rows), chunk_bytes, threads);
  }

  /// How often each chunk is read in a pass.
  Index readings_within(Index limit) const {
    if (chunk_rows == 0 || chunks_fit(1, limit)) return 1;
    const Index block_rows = block_rows_within(limit);
    return (chunk_rows + block_rows - 1) / block_rows;
  }
  /// The limit with which it is once, if any has that effect.
  Index limit_for_one_reading() const {
    return chunk_bytes > 0 ? bytes_of_chunks(1) : tiles_of(chunk_rows) * tile_bytes;
  }
};

}  // namespace scanmf::data
