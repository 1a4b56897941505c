#include "data/memory_source.hpp"

namespace scanmf::data {

template <Scalar T>
void MemorySource<T>::visit(Index batch, const typename DataSource<T>::Visitor& visitor) {
  const Range piece = partition_.piece(batch, comm_->rank());
  if (piece.empty()) return;
  Block<T> block;
  block.local_row = partition_.local_begin(batch, comm_->rank());
  block.global_row = piece.begin;
  block.first_tile = (piece.begin - partition_.batch(batch).begin) / partition_.tile_rows();
  block.matrix = matrix(block.local_row, piece.size());
  visitor(block);
}

RowPartition partition_for(const Communicator& comm, StorageKind kind, Index rows, Index batch_rows,
                           std::span<const Index> tile_weights) {
  const Index length = batch_rows > 0 ? std::min(batch_rows, rows) : rows;
  return RowPartition(rows, length, tile_rows_for(kind, length), comm.size(), tile_weights);
}

template class MemorySource<float>;
template class MemorySource<double>;

}  // namespace scanmf::data
