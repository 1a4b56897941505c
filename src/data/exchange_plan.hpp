#pragma once

#include <algorithm>
#include <vector>

#include "scanmf/parallel/row_partition.hpp"

namespace scanmf::data {

/// How rows get to their owners when batches cut compressed chunks between ranks: chunk c is read by rank c mod P alone, which sends the others their
/// parts. While the batches of one chunk are worked on, the other ranks read the chunks that follow.
///
///     chunks      |         0         |         1         |         2         |
///     read by     |         0         |         1         |         0         |
///     batches     |    0    |    1    |    2    |    3    |    4    |    5    |
///     owned by    |  0 |  1 |  0 |  1 |  0 |  1 |  0 |  1 |  0 |  1 |  0 |  1 |
///
/// To limit the memory, a batch goes in rounds: in each, every rank gets the next `block_rows` of its rows. One round of one batch is a step.
/// "Positions" are those in the array that is read: rows of a dense matrix, elements of CSR. Plain arithmetic, the same on every rank.
class ExchangePlan {
 public:
  /// block_rows: a multiple of the tile rows. tile_positions, CSR: where the elements of each tile of all batches begin, and where the last ones end.
  ExchangePlan(const RowPartition& partition, Index block_rows, std::vector<Index> tile_positions = {});

  const RowPartition& partition() const { return partition_; }
  Index block_rows() const { return block_rows_; }
  Index rounds() const { return rounds_; }
  Index steps() const { return partition_.batches() * rounds_; }
  Range steps_of(Index batch) const { return {batch * rounds_, (batch + 1) * rounds_}; }
  Index batch_of(Index step) const { return step / rounds_; }

  /// Rows of X that `rank` gets in a step, and their positions.
  Range rows(Index step, int rank) const;
  Range positions(Index step, int rank) const { return positions_of(rows(step, rank)); }

  /// Calls take(reader, run) for the consecutive runs in which the positions that `owner` gets in a step are read, each within a chunk of `height`.
  template <class F>
  void for_each_run(Index step, int owner, Index height, F&& take) const {
    const Range all = positions(step, owner);
    for (Index begin = all.begin, end = 0; begin < all.end; begin = end) {
      const Index chunk = begin / height;
      end = std::min(all.end, (chunk + 1) * height);
      take(static_cast<int>(chunk % partition_.ranks()), Range{begin, end});
    }
  }

  /// Calls take(owner, run, place) for the runs that `reader` reads in a step, ascending; place: positions that it has read before.
  template <class F>
  void for_each_read(Index step, int reader, Index height, F&& take) const {
    Index place = 0;
    for (int owner = 0; owner < partition_.ranks(); ++owner)
      for_each_run(step, owner, height, [&](int rank, Range run) {
        if (rank != reader) return;
        take(owner, run, place);
        place += run.size();
      });
  }

  /// Positions that lie side by side in one chunk.
  struct Read {
    Range positions;
    Index place = 0;
  };
  /// The first ones that `reader` reads in a step from position `from` on; empty when there are no more.
  Read next_read(Index step, int reader, Index height, Index from) const;
  /// Positions that `reader` reads in a step.
  Index count_read(Index step, int reader, Index height) const;

  /// The most positions that a rank gets in a step; that it reads in one, at most; and of a rank's chunks, at most, that one batch cuts.
  Index most_received() const { return most_received_; }
  Index most_read(Index height) const;
  Index most_chunks(Index height) const;
  /// Steps that the first chunk is read in.
  Index steps_of_chunk(Index height) const;

 private:
  Range positions_of(Range rows) const;

  const RowPartition& partition_;
  Index block_rows_;
  std::vector<Index> tile_positions_;
  Index rounds_ = 1;
  Index longest_batch_ = 0;  // in positions, as the next
  Index most_received_ = 0;
};

}  // namespace scanmf::data
