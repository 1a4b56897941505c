#include "data/memory_source.hpp"

#include <algorithm>
#include <numeric>

namespace scanmf::data {

template <Scalar T>
void MemorySource<T>::visit(Index batch, const typename DataSource<T>::Visitor& visitor) {
  const Range piece = partition_.piece(batch, comm_->rank());
  if (piece.empty()) return;
  Block<T> block;
  block.local_row = partition_.local_begin(batch, comm_->rank());
  block.global_row = piece.begin;
  block.first_tile = partition_.tile_in_batch(piece.begin);
  block.tiles_a_stratum = partition_.tiles_a_stratum();
  block.first_tiles = partition_.first_tiles();
  block.matrix = matrix(block.local_row, piece.size());
  visitor(block);
}

RowPartition partition_for(const Communicator& comm, StorageKind kind, const Shape& shape, const LoadOptions& options,
                           std::span<const Index> tile_weights) {
  const Index length = options.batch_rows > 0 ? std::min(options.batch_rows, shape.rows) : shape.rows;
  const Index stored = std::accumulate(tile_weights.begin(), tile_weights.end(), Index{0}) - shape.rows;
  const double of_batch =
      static_cast<double>(stored) * (static_cast<double>(length) / static_cast<double>(std::max<Index>(1, shape.rows)));
  const Tiling tiling = tiling_for(kind, {length, shape.columns}, static_cast<Index>(of_batch), options.strata);
  if (kind == StorageKind::dense) tile_weights = {};  // rows that become dense cost alike
  return RowPartition(shape.rows, length, tiling.tile_rows, tiling.tiles_a_stratum, comm.size(), tile_weights);
}

template class MemorySource<float>;
template class MemorySource<double>;

}  // namespace scanmf::data
