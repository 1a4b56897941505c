#pragma once

#include "data/block_feed.hpp"
#include "data/row_bounds.hpp"

namespace scanmf::data {

/// Blocks of CSR rows: whole tiles that hold about as many elements each. A part is a run of column numbers or of
/// values.
template <Scalar T>
class CsrFeed : public BlockFeed<T> {
 public:
  /// Reads where this rank's rows lie in the file. least_tiles: of a block, if there are as many; block_elements: of a
  /// block with more tiles than that.
  CsrFeed(const SparseReader<T>& reader, const RowPartition& partition, int rank, Index columns, Index least_tiles,
          Index block_elements, bool check_sign);

  Index blocks(Index batch) const override {
    return static_cast<Index>(cuts_[static_cast<std::size_t>(batch)].size()) - 1;
  }
  Slot<T> make_slot() const override;
  Index slot_bytes() const override;
  PartCursor begin(Index batch) const override;
  std::optional<Part> next(PartCursor& cursor) const override;
  Index begin_block(Index batch, Index block, Slot<T>& slot) const override;
  void read(Index batch, const Part& part, std::span<Slot<T>* const> slots, std::span<Index> added,
            FeedScratch<T>& scratch) const override;
  void finish_block(Slot<T>& slot) const override;

 private:
  /// Rows of a block, numbered within this rank's piece of the batch.
  Range rows_of(Index batch, Index block) const;
  const Index* positions(Index batch) const { return bounds_.of(batch); }
  Range elements_of(Index batch, Index block) const;
  void cut(Index batch, Index least_tiles, Index block_elements);

  const SparseReader<T>& reader_;
  const RowPartition& partition_;
  int rank_;
  Index columns_;
  bool check_sign_;
  RowBounds<T> bounds_;
  std::vector<std::vector<Index>> cuts_;  // for each batch, the first row of each block, and the end
  Index most_rows_ = 0;                   // of a block
  Index most_elements_ = 0;
};

}  // namespace scanmf::data
