#pragma once

#include <algorithm>

#include "scanmf/linalg/tile.hpp"

namespace scanmf {

/// Calls body(column, place) for the elements of a row of a dense tile: where each is in tile.packed.
template <Scalar T, class Body>
void for_each_place(const DenseTile<T>& tile, Index row, Body&& body) {
  Index first = 0;  // place of the strip
  for (Index begin = 0; begin < tile.columns; begin += strip_columns<T>) {
    const Index width = std::min(strip_columns<T>, padded_columns<T>(tile.columns) - begin);
    const Index end = std::min(begin + width, tile.columns);
    for (Index j = begin; j < end; ++j) body(j, first + row * width + j - begin);
    first += tile.rows * width;
  }
}

}  // namespace scanmf
