#pragma once

#include <span>
#include <vector>

#include "scanmf/core/types.hpp"

namespace scanmf {

/// Which rows of X belong to which rank. Plain arithmetic: no MPI, the same on every rank.
///
/// The rows are cut into batches of `batch_rows` consecutive rows (NMF: one batch, all rows), each batch into tiles of
/// `tile_rows` rows (the last tile of a batch may be shorter), and the tiles of a batch are shared out over the ranks
/// in order:
///
///     rows    0 ........................................ m
///     batch   |        0         |        1         | 2  |
///     tile    | 0  | 1  | 2  | 3 | 0  | 1  | 2  | 3 | 0  |
///     rank    | 0  | 0  | 1  | 1 | 0  | 0  | 1  | 1 | 0  |
///
/// A rank's rows of W are its pieces of all batches one after the other. Tile boundaries never depend on the number of
/// ranks.
class RowPartition {
 public:
  /// `tile_weights`: the cost of each tile of all batches in order (non-zeros, say), to be balanced; empty = rows.
  RowPartition(Index rows, Index batch_rows, Index tile_rows, int ranks, std::span<const Index> tile_weights = {});

  Index rows() const { return rows_; }
  Index batch_rows() const { return batch_rows_; }
  Index tile_rows() const { return tile_rows_; }
  int ranks() const { return ranks_; }
  Index batches() const { return batches_; }

  /// Global rows of a batch.
  Range batch(Index batch) const;
  /// Global rows of `batch` that belong to `rank`; may be empty.
  Range piece(Index batch, int rank) const;
  /// The rank that a row belongs to.
  int owner(Index row) const;
  /// Row of the rank's W at which its piece of `batch` begins.
  Index local_begin(Index batch, int rank) const;
  /// Rows of W that `rank` owns.
  Index local_rows(int rank) const { return local_begin(batches_, rank); }

 private:
  /// Row of tile_cuts_ that holds for a batch.
  Index cuts_of(Index batch) const;
  Index first_tile(Index batch, int rank) const {
    return tile_cuts_[static_cast<std::size_t>(cuts_of(batch) * (ranks_ + 1) + rank)];
  }

  Index rows_, batch_rows_, tile_rows_, batches_;
  int ranks_;
  bool weighted_;
  // … × (ranks + 1), first tile of each rank: for every batch; without weights, for a full batch and the last one.
  std::vector<Index> tile_cuts_;
  std::vector<Index> local_begins_;  // (batches + 1) × ranks; without weights, rows of each rank in a full batch
};

}  // namespace scanmf
