#pragma once

#include "scanmf/linalg/tile.hpp"

namespace scanmf::data {

/// Rows of X on their way into a packed block of `block_rows` rows in tiles of `tile_rows`.
template <Scalar T>
struct PackedRows {
  T* packed = nullptr;
  Index block_rows = 0;
  Index columns = 0;
  Index tile_rows = 0;

  /// Elements of the whole block.
  Index elements() const { return block_rows * padded_columns<T>(columns); }
  DenseBlock<T> block() const { return {block_rows, columns, tile_rows, packed}; }

  /// Copies a part of X whose upper left element belongs to row `first_row` of the block and column `first_column`.
  /// Parts may come in any order; the padding is cleared by the part with the last column.
  void put(Index first_row, Index first_column, MatrixView<const T> part) const;

  /// Fills whole rows from row `first_row` of the block on with sparse ones.
  void put_sparse(Index first_row, const CsrBlock<T>& rows) const;

  /// Where element (row, column) lies, and how many columns from there on follow it directly.
  T* place(Index row, Index column, Index& run) const {
    const Index padded = padded_columns<T>(columns);
    const Index tile = row / tile_rows;
    const Index rows_in_tile = std::min(tile_rows, block_rows - tile * tile_rows);
    const Index strip = column / strip_columns<T> * strip_columns<T>;
    const Index width = std::min(strip_columns<T>, padded - strip);
    run = width - (column - strip);
    return packed + tile * tile_rows * padded + strip * rows_in_tile + row % tile_rows * width + (column - strip);
  }
};

}  // namespace scanmf::data
