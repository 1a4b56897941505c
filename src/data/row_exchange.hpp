#pragma once

#include "data/chunk_feed.hpp"
#include "data/row_bounds.hpp"
#include "scanmf/parallel/communicator.hpp"

namespace scanmf::data {

/// Brings what the ranks have read for a step to the owners of the rows and makes blocks of it.
///
///     read by rank 0    | rows of 0 | rows of 1 | rows of 2 |
///     read by rank 1                                        | rows of 2 | rows of 3 |
///                             |           |           |           |           |
///     block of rank           0           1            ---- 2 ----            3
template <Scalar T>
class RowExchange {
 public:
  virtual ~RowExchange() = default;

  /// Collective. Sends what this rank has read (null: nothing) and receives what others have read for it.
  virtual void exchange(Index step, const Slot<T>* read) = 0;
  /// Local. This rank's rows of the step; valid until the next exchange. May be called again for the same slot.
  virtual const Block<T>& assemble(Index step, Slot<T>* read) = 0;
  /// Bytes of the memory held for this.
  virtual Index bytes() const = 0;
};

template <Scalar T>
class DenseExchange : public RowExchange<T> {
 public:
  /// height: rows of a chunk.
  DenseExchange(const Communicator& comm, const ExchangePlan& plan, Index columns, Index height);

  void exchange(Index step, const Slot<T>* read) override;
  const Block<T>& assemble(Index step, Slot<T>* read) override;
  Index bytes() const override { return bytes_needed(plan_, columns_); }

  static Index bytes_needed(const ExchangePlan& plan, Index columns) {
    return plan.block_rows() * (columns + padded_columns<T>(columns)) * static_cast<Index>(sizeof(T));
  }

 private:
  const Communicator& comm_;
  const ExchangePlan& plan_;
  Index columns_;
  Index height_;
  Buffer<T> received_;  // rows of the block, each at its place; those that this rank has read itself are left out
  Buffer<T> packed_;    // for steps in which this rank reads nothing
  Block<T> block_;
};

template <Scalar T>
class CsrExchange : public RowExchange<T> {
 public:
  /// Reads where this rank's rows lie in the file. columns: of X.
  CsrExchange(const Communicator& comm, const ExchangePlan& plan, const SparseReader<T>& reader, Index columns,
              ChunkHeights heights, bool check_sign);

  void exchange(Index step, const Slot<T>* read) override;
  const Block<T>& assemble(Index step, Slot<T>* read) override;
  Index bytes() const override { return bytes_needed(plan_); }

  static Index bytes_needed(const ExchangePlan& plan) {
    return (plan.block_rows() + 1) * static_cast<Index>(sizeof(Index)) +
           plan.most_received() * static_cast<Index>(sizeof(T) + sizeof(std::int32_t));
  }

 private:
  const Communicator& comm_;
  const ExchangePlan& plan_;
  Index columns_;
  ChunkHeights heights_;
  bool check_sign_;
  ColumnSelection selected_;
  RowBounds<T> bounds_;
  Buffer<Index> row_begin_;
  Buffer<std::int32_t> column_;
  Buffer<T> value_;
  Block<T> block_;
};

}  // namespace scanmf::data
