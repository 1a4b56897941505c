#pragma once

#include "data/sparse_reader.hpp"

namespace scanmf::data {

/// Where the elements of this rank's rows lie in a CSR file.
template <Scalar T>
class RowBounds {
 public:
  RowBounds(const SparseReader<T>& reader, const RowPartition& partition, int rank)
      : partition_(partition), rank_(rank), positions_(partition.local_rows(rank) + partition.batches()) {
    for (Index batch = 0; batch < partition.batches(); ++batch) {
      const Range piece = partition.piece(batch, rank);
      if (!piece.empty()) reader.read_bounds(piece, positions_.data() + first(batch));
    }
  }

  /// First positions of the rows of this rank's piece of a batch, and the end.
  const Index* of(Index batch) const { return positions_.data() + first(batch); }

 private:
  Index first(Index batch) const { return partition_.local_begin(batch, rank_) + batch; }

  const RowPartition& partition_;
  int rank_;
  Buffer<Index> positions_;
};

}  // namespace scanmf::data
