#pragma once

#include "data/block_feed.hpp"
#include "data/exchange_plan.hpp"
#include "data/sparse_reader.hpp"

namespace scanmf::data {

/// What a rank reads in each step of an exchange: parts of its chunks. One block a step ("batches" of a queue are steps
/// here), none where the rank reads nothing. This rank's own rows are packed; those of others lie one after the other,
/// as in the file, in Slot::value.
template <Scalar T>
class DenseChunkFeed : public BlockFeed<T> {
 public:
  /// height: rows of a chunk.
  DenseChunkFeed(const Array& array, const ExchangePlan& plan, int rank, Index height)
      : array_(array), plan_(plan), rank_(rank), height_(height) {}

  Index blocks(Index step) const override { return plan_.count_read(step, rank_, height_) > 0 ? 1 : 0; }
  Slot<T> make_slot() const override;
  Index slot_bytes() const override { return bytes_needed(plan_, height_, array_.columns()); }
  PartCursor begin(Index step) const override { return {.batch = step}; }
  std::optional<Part> next(PartCursor& cursor) const override;
  Index begin_block(Index step, Index block, Slot<T>& slot) const override;
  void read(Index step, const Part& part, std::span<Slot<T>* const> slots, std::span<Index> added,
            FeedScratch<T>& scratch) const override;
  void finish_block(Slot<T>&) const override {}

  static Index bytes_needed(const ExchangePlan& plan, Index height, Index columns) {
    return (plan.most_sent(height) * columns + plan.block_rows() * padded_columns<T>(columns)) *
           static_cast<Index>(sizeof(T));
  }

 private:
  const Array& array_;
  const ExchangePlan& plan_;
  int rank_;
  Index height_;
};

/// Elements of a chunk of each array; of an array that is not compressed, those of the other's.
struct ChunkHeights {
  Index values = 1;
  Index indices = 1;
};

/// The same for CSR: column numbers in Slot::column, values in Slot::value, each array with chunks of its own. This
/// rank's own elements lie at their place among all that it gets in the step, those of others behind.
template <Scalar T>
class CsrChunkFeed : public BlockFeed<T> {
 public:
  CsrChunkFeed(const SparseReader<T>& reader, const ExchangePlan& plan, int rank, ChunkHeights heights)
      : reader_(reader), plan_(plan), rank_(rank), heights_(heights) {}

  Index blocks(Index step) const override { return elements(step) > 0 ? 1 : 0; }
  Slot<T> make_slot() const override;
  Index slot_bytes() const override { return bytes_needed(plan_, heights_); }
  PartCursor begin(Index step) const override { return {.batch = step}; }
  std::optional<Part> next(PartCursor& cursor) const override;
  Index begin_block(Index step, Index, Slot<T>&) const override { return elements(step); }
  void read(Index step, const Part& part, std::span<Slot<T>* const> slots, std::span<Index> added,
            FeedScratch<T>& scratch) const override;
  void finish_block(Slot<T>&) const override {}

  static Index bytes_needed(const ExchangePlan& plan, ChunkHeights heights) {
    return (plan.most_received() + plan.most_sent(heights.values)) * static_cast<Index>(sizeof(T)) +
           (plan.most_received() + plan.most_sent(heights.indices)) * static_cast<Index>(sizeof(std::int32_t));
  }

 private:
  Index elements(Index step) const {
    return plan_.count_read(step, rank_, heights_.values) + plan_.count_read(step, rank_, heights_.indices);
  }

  const SparseReader<T>& reader_;
  const ExchangePlan& plan_;
  int rank_;
  ChunkHeights heights_;
};

}  // namespace scanmf::data
