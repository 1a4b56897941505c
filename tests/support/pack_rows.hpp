#pragma once

#include "scanmf/linalg/tile.hpp"

namespace scanmf::test {

/// Packs rows of X into a block of `block_rows` rows in tiles of `tile_rows`, element by element as tile.hpp describes
/// the layout. first_row: number of rows[0] within the block. Padding columns become zero.
template <Scalar T>
void pack_rows(MatrixView<const T> rows, Index first_row, Index block_rows, Index tile_rows, T* packed) {
  const Index padded = padded_columns<T>(rows.columns);
  for (Index i = 0; i < rows.rows; ++i) {
    const Index tile = (first_row + i) / tile_rows;
    const Index row = (first_row + i) % tile_rows;
    const Index rows_in_tile = std::min(tile_rows, block_rows - tile * tile_rows);
    for (Index j = 0; j < padded; ++j) {
      const Index strip = j / strip_columns<T> * strip_columns<T>;
      const Index width = std::min(strip_columns<T>, padded - strip);
      packed[tile * tile_rows * padded + strip * rows_in_tile + row * width + j - strip] =
          j < rows.columns ? rows(i, j) : T{0};
    }
  }
}

}  // namespace scanmf::test
