#pragma once

#include "data/block_feed.hpp"
#include "data/packing.hpp"
#include "scanmf/parallel/row_partition.hpp"

namespace scanmf::data {

/// Blocks of dense rows. A part is a unit of the stored array (a chunk, say); where units are lower than blocks, one
/// that lies across a boundary is read once and goes to both blocks:
///
///     units     |  0  |  1  |  2  |  3  |  4  |  5  |
///     blocks      |    0      |    1      |    2      |
template <Scalar T>
class DenseFeed : public BlockFeed<T> {
 public:
  /// block_rows: a multiple of the tile rows.
  DenseFeed(const Array& array, const RowPartition& partition, int rank, Index block_rows)
      : array_(array), partition_(partition), rank_(rank), block_rows_(block_rows) {}

  Index blocks(Index batch) const override;
  Slot<T> make_slot() const override;
  Index slot_bytes() const override {
    return block_rows_ * padded_columns<T>(array_.columns()) * static_cast<Index>(sizeof(T));
  }
  PartCursor begin(Index batch) const override { return {.batch = batch, .row = partition_.piece(batch, rank_).begin}; }
  std::optional<Part> next(PartCursor& cursor) const override;
  Index begin_block(Index batch, Index block, Slot<T>& slot) const override;
  void read(Index batch, const Part& part, std::span<Slot<T>* const> slots, std::span<Index> added,
            FeedScratch<T>& scratch) const override;
  void finish_block(Slot<T>&) const override {}

 private:
  Range rows_of(Index batch, Index block) const;
  const Array& array_;
  const RowPartition& partition_;
  int rank_;
  Index block_rows_;
};

}  // namespace scanmf::data
