#pragma once

#include <algorithm>
#include <optional>
#include <span>

#include "data/array.hpp"
#include "scanmf/linalg/tile.hpp"

namespace scanmf::data {

/// Memory for one block on its way from the file to the solver.
template <Scalar T>
struct Slot {
  Block<T> block;
  Buffer<T> packed;         // dense
  Buffer<Index> row_begin;  // CSR
  Buffer<std::int32_t> column;
  Buffer<T> value;  // CSR, and dense rows that are to be sent
};

/// What one thread needs to read parts.
template <Scalar T>
struct FeedScratch {
  Scratch<T> values;
  Scratch<std::int32_t> indices;
};

/// Something that one thread reads at once: it belongs to one block, or to some consecutive ones.
struct Part {
  Range blocks;  // numbers within the batch
  Range rows;    // of the array; elements of a CSR array
  Range columns;
  bool indices = false;  // CSR: of the column numbers, not of the values
  Index place = 0;       // chunk feeds: rows or elements that have been read for other ranks before, in this step
};

/// How far the parts of a batch have been given out.
struct PartCursor {
  Index batch = 0;
  Index block = 0;
  Index row = 0;
  Index column = 0;
  bool indices = true;
};

/// Gives a part the next unit of columns of a dense array; behind the last one the cursor goes on below the part's
/// rows.
inline void take_columns(const Array& array, PartCursor& cursor, Part& part) {
  part.columns = {cursor.column, std::min(array.columns(), cursor.column + array.unit_columns())};
  cursor.column = part.columns.end;
  if (cursor.column < array.columns()) return;
  cursor.column = 0;
  cursor.row = part.rows.end;
}

/// Which blocks a rank's rows are cut into and how they are read. Made once; all members are constant and may be called
/// by several threads.
template <Scalar T>
class BlockFeed {
 public:
  virtual ~BlockFeed() = default;

  /// Blocks of this rank in a batch.
  virtual Index blocks(Index batch) const = 0;
  /// A slot that every block fits into.
  virtual Slot<T> make_slot() const = 0;
  virtual Index slot_bytes() const = 0;

  virtual PartCursor begin(Index batch) const = 0;
  /// The next part, in the order of the blocks; nullopt after the last one of the batch.
  virtual std::optional<Part> next(PartCursor& cursor) const = 0;

  /// Makes a slot ready for a block; returns the elements that parts will add to it.
  virtual Index begin_block(Index batch, Index block, Slot<T>& slot) const = 0;
  /// Reads a part into the slots of its blocks; adds to `added` (one a block) how many elements each has received.
  virtual void read(Index batch, const Part& part, std::span<Slot<T>* const> slots, std::span<Index> added,
                    FeedScratch<T>& scratch) const = 0;
  /// Called when all parts of a block have arrived.
  virtual void finish_block(Slot<T>& slot) const = 0;
};

}  // namespace scanmf::data
