#include "data/dense_feed.hpp"

namespace scanmf::data {

template <Scalar T>
Index DenseFeed<T>::blocks(Index batch) const {
  return (partition_.piece(batch, rank_).size() + block_rows_ - 1) / block_rows_;
}

template <Scalar T>
Range DenseFeed<T>::rows_of(Index batch, Index block) const {
  const Range piece = partition_.piece(batch, rank_);
  return {piece.begin + block * block_rows_, std::min(piece.end, piece.begin + (block + 1) * block_rows_)};
}

template <Scalar T>
Slot<T> DenseFeed<T>::make_slot() const {
  Slot<T> slot;
  slot.packed = Buffer<T>(block_rows_ * padded_columns<T>(array_.columns()));
  return slot;
}

template <Scalar T>
std::optional<Part> DenseFeed<T>::next(PartCursor& cursor) const {
  const Range piece = partition_.piece(cursor.batch, rank_);
  if (cursor.row >= piece.end) return std::nullopt;
  const Index height = array_.unit_rows();
  Part part;
  part.rows = {cursor.row, std::min(piece.end, (cursor.row / height + 1) * height)};
  const Index first_block = (cursor.row - piece.begin) / block_rows_;
  if (height > block_rows_) part.rows.end = std::min(part.rows.end, piece.begin + (first_block + 1) * block_rows_);
  part.blocks = {first_block, (part.rows.end - 1 - piece.begin) / block_rows_ + 1};
  take_columns(array_, cursor, part);
  return part;
}

template <Scalar T>
Index DenseFeed<T>::begin_block(Index batch, Index block, Slot<T>& slot) const {
  const Range piece = partition_.piece(batch, rank_);
  const Range rows = rows_of(batch, block);
  slot.block.local_row = partition_.local_begin(batch, rank_) + rows.begin - piece.begin;
  slot.block.global_row = rows.begin;
  slot.block.first_tile = partition_.tile_in_batch(rows.begin);
  slot.block.tiles_a_stratum = partition_.tiles_a_stratum();
  slot.block.first_tiles = partition_.first_tiles();
  slot.block.matrix = DenseBlock<T>{rows.size(), array_.columns(), partition_.tile_rows(), slot.packed.data()};
  return rows.size() * array_.columns();
}

template <Scalar T>
void DenseFeed<T>::read(Index batch, const Part& part, std::span<Slot<T>* const> slots, std::span<Index> added,
                        FeedScratch<T>& scratch) const {
  const MatrixView<const T> view = array_.read(part.rows, part.columns, scratch.values);
  for (Index block = part.blocks.begin; block < part.blocks.end; ++block) {
    const auto at = static_cast<std::size_t>(block - part.blocks.begin);
    const Range rows = rows_of(batch, block);
    const Range shared = {std::max(rows.begin, part.rows.begin), std::min(rows.end, part.rows.end)};
    const PackedRows<T> to{slots[at]->packed.data(), rows.size(), array_.columns(), partition_.tile_rows()};
    to.put(shared.begin - rows.begin, part.columns.begin,
           view.middle_rows({shared.begin - part.rows.begin, shared.end - part.rows.begin}));
    added[at] += shared.size() * part.columns.size();
  }
}

template class DenseFeed<float>;
template class DenseFeed<double>;

}  // namespace scanmf::data
