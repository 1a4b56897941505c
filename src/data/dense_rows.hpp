#pragma once

#include "data/packing.hpp"
#include "data/validation.hpp"
#include "scanmf/parallel/communicator.hpp"
#include "scanmf/parallel/row_partition.hpp"

namespace scanmf::data {

/// This rank's pieces of all batches, packed one after the other.
template <Scalar T>
class LocalRows {
 public:
  LocalRows(const Communicator& comm, const RowPartition& partition, Index columns)
      : partition_(&partition),
        rank_(comm.rank()),
        columns_(columns),
        packed_(partition.local_rows(comm.rank()) * padded_columns<T>(columns)) {}

  PackedRows<T> piece(Index batch) {
    return {packed_.data() + partition_->local_begin(batch, rank_) * padded_columns<T>(columns_),
            partition_->piece(batch, rank_).size(), columns_, partition_->tile_rows()};
  }
  void inspect(Inspection& inspection) {
    for (Index batch = 0; batch < partition_->batches(); ++batch)
      if (piece(batch).block_rows > 0) inspection.add(piece(batch).block(), partition_->piece(batch, rank_).begin);
  }
  Buffer<T> take() { return std::move(packed_); }

 private:
  const RowPartition* partition_;
  int rank_;
  Index columns_;
  Buffer<T> packed_;
};

}  // namespace scanmf::data
