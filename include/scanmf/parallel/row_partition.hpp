#pragma once

#include <span>
#include <vector>

#include "scanmf/core/types.hpp"

namespace scanmf {

/// Which rows of X belong to which rank. Plain arithmetic: no MPI, the same on every rank.
///
/// The rows are cut into batches of `batch_rows` consecutive rows (NMF: one batch, all rows), each batch into tiles of
/// `tile_rows` rows and these into strata of `tiles_a_stratum` tiles (the last tile and stratum of a batch may be
/// shorter). Strata are what is shared out over the ranks, in order; a rank has the same ones of every batch:
///
///     rows     0 ........................................ m
///     batch    |        0         |        1         | 2  |
///     stratum  | 0  | 1  | 2  | 3 | 0  | 1  | 2  | 3 | 0  |
///     rank     | 0  | 0  | 1  | 1 | 0  | 0  | 1  | 1 | 0  |
///
/// A rank's rows of W are its pieces of all batches one after the other. Boundaries of tiles and strata never depend on
/// the number of ranks.
class RowPartition {
 public:
  /// `tile_weights`: the cost of each tile of all batches in order (non-zeros, say), to be balanced; empty = rows. Of a
  /// single batch strata are then cut so that they cost alike, whatever their tiles.
  RowPartition(Index rows, Index batch_rows, Index tile_rows, Index tiles_a_stratum, int ranks,
               std::span<const Index> tile_weights = {});
  /// For reading and writing: as even as rows allow.
  static RowPartition even(Index rows, int ranks) { return {rows, rows, 1 + rows / (Index{64} * ranks), 1, ranks}; }
  /// Some rows of another partition of one batch, where they are: so many of each of its strata.
  RowPartition(const RowPartition& whole, std::span<const Index> rows_of_strata);

  Index rows() const { return rows_; }
  Index batch_rows() const { return batch_rows_; }
  Index tile_rows() const { return tile_rows_; }
  Index tiles_a_stratum() const { return tiles_a_stratum_; }
  int ranks() const { return ranks_; }
  Index batches() const { return batches_; }
  /// False: strata have any numbers of rows, each begins with a new tile.
  bool is_regular() const { return first_rows_.empty(); }
  /// First tile of each stratum, and the end, where tiles are cut by rows but strata by weights; else empty.
  std::span<const Index> first_tiles() const { return first_tiles_; }
  /// Of a full batch; the last one may have fewer.
  Index strata() const { return strata_; }

  /// Global rows of a batch.
  Range batch(Index batch) const;
  /// Global rows of `batch` that belong to `rank`; may be empty.
  Range piece(Index batch, int rank) const;
  /// Strata that belong to `rank`, of every batch.
  Range strata_of(int rank) const {
    return {cuts_[static_cast<std::size_t>(rank)], cuts_[static_cast<std::size_t>(rank) + 1]};
  }
  /// The same of all ranks: ranks() + 1 ascending numbers of strata.
  std::span<const Index> cuts() const { return cuts_; }
  /// Rows of a stratum, counted from the beginning of its batch, which may end within it or before.
  Range rows_of_stratum(Index stratum) const { return {first_row(stratum), first_row(stratum + 1)}; }
  /// Number of a row's tile in its batch.
  Index tile_in_batch(Index row) const { return row % batch_rows_ / tile_rows_; }
  /// The rank that a row belongs to.
  int owner(Index row) const;
  /// Row of the rank's W at which its piece of `batch` begins.
  Index local_begin(Index batch, int rank) const;
  /// Rows of W that `rank` owns.
  Index local_rows(int rank) const { return local_begin(batches_, rank); }

 private:
  Index first_row(Index stratum) const;
  Index stratum_of_tile(Index tile) const;

  Index rows_, batch_rows_, tile_rows_, tiles_a_stratum_, batches_, strata_;
  int ranks_;
  std::vector<Index> cuts_;  // first stratum of each rank, and the end
  std::vector<Index> first_tiles_;
  std::vector<Index> first_rows_;  // of each stratum and the end, where they are not all alike
};

}  // namespace scanmf
