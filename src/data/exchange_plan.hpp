#pragma once

#include <algorithm>
#include <vector>

#include "scanmf/parallel/row_partition.hpp"

namespace scanmf::data {

/// How rows get to their owners when batches cut compressed chunks between ranks: each chunk is read by one rank alone,
/// which sends the others their parts. Chunks higher than a rank's piece of a batch are read in turns, chunk c by rank
/// c mod P: while the batches of one chunk are worked on, the other ranks read the chunks that follow.
///
///     chunks      |         0         |         1         |         2         |
///     read by     |         0         |         1         |         0         |
///     batches     |    0    |    1    |    2    |    3    |    4    |    5    |
///     owned by    |  0 |  1 |  0 |  1 |  0 |  1 |  0 |  1 |  0 |  1 |  0 |  1 |
///
/// Lower ones are read by the rank that owns the position in their middle: only what lies at the edges of pieces is
/// sent.
///
///     chunks      |  0  |  1  |  2  |  3  |  4  |  5  |  6  |  7  |
///     read by     |  0  |  0  |  0  |  1  |  0  |  0  |  0  |  1  |
///     owned by    |       0       |   1   |       0       |   1   |
///
/// To limit the memory, a batch goes in rounds: in each, every rank gets the next `block_rows` of its rows. One round
/// of one batch is a step. "Positions" are those in the array that is read: rows of a dense matrix, elements of CSR.
/// Plain arithmetic, the same on every rank.
class ExchangePlan {
 public:
  /// block_rows: a multiple of the tile rows. tile_positions, CSR: where the elements of each tile of all batches
  /// begin, and where the last ones end.
  ExchangePlan(const RowPartition& partition, Index block_rows, std::vector<Index> tile_positions = {});

  const RowPartition& partition() const { return partition_; }
  Index block_rows() const { return block_rows_; }
  Index rounds() const { return rounds_; }
  Index steps() const { return partition_.batches() * rounds_; }
  Range steps_of(Index batch) const { return {batch * rounds_, (batch + 1) * rounds_}; }
  Index batch_of(Index step) const { return step / rounds_; }

  /// True when chunks of this height are read in turns.
  bool in_turns(Index height) const { return height > longest_piece_; }
  /// Who reads chunk number `chunk` of an array with chunks of `height` positions.
  int reader_of(Index chunk, Index height) const;

  /// Rows of X that `rank` gets in a step, and their positions.
  Range rows(Index step, int rank) const;
  Range positions(Index step, int rank) const { return positions_of(rows(step, rank)); }

  /// Calls take(reader, run) for the consecutive runs in which the positions that `owner` gets in a step are read, each
  /// within a chunk of `height`.
  template <class F>
  void for_each_run(Index step, int owner, Index height, F&& take) const {
    const Range all = positions(step, owner);
    for (Index begin = all.begin, end = 0; begin < all.end; begin = end) {
      const Index chunk = begin / height;
      end = std::min(all.end, (chunk + 1) * height);
      take(reader_of(chunk, height), Range{begin, end});
    }
  }

  /// Calls take(owner, run, place) for the runs that `reader` reads in a step, ascending; place: positions that it has
  /// read for others before.
  template <class F>
  void for_each_read(Index step, int reader, Index height, F&& take) const {
    Index place = 0;
    for (int owner = 0; owner < partition_.ranks(); ++owner) {
      if (!may_read(step, reader, owner, height)) continue;
      for_each_run(step, owner, height, [&](int rank, Range run) {
        if (rank != reader) return;
        take(owner, run, place);
        if (owner != reader) place += run.size();
      });
    }
  }

  /// Positions that lie side by side in one chunk. place: positions that have been read for others before.
  struct Read {
    Range positions;
    Index place = 0;
  };
  /// The first ones that `reader` reads in a step from position `from` on; empty when there are no more.
  Read next_read(Index step, int reader, Index height, Index from) const;
  /// Positions that `reader` reads in a step.
  Index count_read(Index step, int reader, Index height) const;

  /// Whether any chunk is cut between ranks.
  bool cuts(Index height) const;

  /// The most positions that a rank gets in a step; that it reads in one for others, at most; and, where they are read
  /// in turns, of a rank's chunks, at most, that one batch cuts.
  Index most_received() const { return most_received_; }
  Index most_sent(Index height) const;
  Index most_chunks(Index height) const;
  /// Steps that the first chunk is read in.
  Index steps_of_chunk(Index height) const;

 private:
  Range positions_of(Range rows) const;
  /// Row of X that a position belongs to.
  Index row_of(Index position) const;
  /// False when `reader` certainly reads nothing for `owner` in a step.
  bool may_read(Index step, int reader, int owner, Index height) const;

  const RowPartition& partition_;
  Index block_rows_;
  std::vector<Index> tile_positions_;
  Index rounds_ = 1;
  Index longest_batch_ = 0;  // in positions, as the next two
  Index longest_piece_ = 0;
  Index most_received_ = 0;
};

}  // namespace scanmf::data
