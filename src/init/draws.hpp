#pragma once

#include <algorithm>

#include "scanmf/core/random.hpp"
#include "scanmf/core/team.hpp"
#include "scanmf/parallel/row_partition.hpp"

namespace scanmf {

/// Calls visit(rank, rows, local_begin) for every piece of the partition in the order of global rows; local_begin is
/// the row of that rank's W where it lies.
template <class Visit>
void for_pieces(const RowPartition& partition, Visit&& visit) {
  for (Index batch = 0; batch < partition.batches(); ++batch)
    for (int rank = 0; rank < partition.ranks(); ++rank)
      visit(rank, partition.piece(batch, rank), partition.local_begin(batch, rank));
}

/// Calls visit(local rows) for the rows that a stratum of this rank has in each batch, in their order; none is left out
/// that is empty.
template <class Visit>
void for_parts_of_stratum(const RowPartition& partition, int own_rank, Index stratum, Visit&& visit) {
  for (Index batch = 0; batch < partition.batches(); ++batch) {
    const Range all = partition.batch(batch);
    const Range rows = partition.rows_of_stratum(stratum);
    const Index to_local = partition.local_begin(batch, own_rank) - partition.piece(batch, own_rank).begin;
    visit(Range{std::min(all.begin + rows.begin, all.end) + to_local,
                std::min(all.begin + rows.end, all.end) + to_local});
  }
}

/// Streams of counter_normal(): one for each array that is drawn by position.
enum CounterStream : std::uint64_t {
  stream_of_H,
  stream_of_W,
  stream_of_sketch,
  stream_of_fills_of_W,
  stream_of_fills_of_H
};

/// Where the normals of an initialisation come from: numpy's stream, which has no entry in the middle, or, counter =
/// true, a counter-based one.
struct Normals {
  Normals(const Seed& origin, bool by_counter)
      : seed(origin), counter(by_counter), key(by_counter ? origin.number() : 0) {}

  Seed seed;
  bool counter;
  std::uint32_t key;  // of the counter-based stream

  double at(CounterStream stream, Index position) const {
    return counter_normal(key, stream, static_cast<std::uint64_t>(position));
  }
};

/// Calls visit(global row, local row) for this rank's rows of X, shared out over the threads.
template <class Visit>
void for_own_rows(const RowPartition& partition, int own_rank, Visit&& visit) {
  for_pieces(partition, [&](int rank, Range rows, Index local_begin) {
    if (rank != own_rank) return;
    Team().for_each(rows.size(), [&](Index i) { visit(rows.begin + i, local_begin + i); });
  });
}

/// Runs through a stream that holds `columns` normals a row of X, row by row. draw(local_row) is called for the rows of
/// `rank` when the stream has come to them and must draw exactly so many; the others are skipped, because the stream
/// has no entry in the middle.
template <class Draw>
void draw_own_rows(LegacyRandom& random, const RowPartition& partition, int own_rank, Index columns, Draw&& draw) {
  for_pieces(partition, [&](int rank, Range rows, Index local_begin) {
    if (rank != own_rank) return random.skip_normals(rows.size() * columns);
    for (Index i = 0; i < rows.size(); ++i) draw(local_begin + i);
  });
}

}  // namespace scanmf
