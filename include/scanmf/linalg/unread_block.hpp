#pragma once

#include "scanmf/linalg/tile.hpp"

namespace scanmf {

/// Rows whose elements are not looked at, in tiles of `tile_rows`.
template <Scalar T>
Block<T> unread_block(Index rows, Index columns, Index tile_rows) {
  Block<T> block;
  block.matrix = DenseBlock<T>{rows, columns, tile_rows, nullptr};
  return block;
}

}  // namespace scanmf
