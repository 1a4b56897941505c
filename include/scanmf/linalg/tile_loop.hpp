#pragma once

#include "scanmf/core/team.hpp"
#include "scanmf/linalg/tile.hpp"

namespace scanmf {

/// Calls body(thread, first row of the tile within the block, TileView) for every tile of the block: tile j of a batch
/// belongs to thread j mod T.
template <Scalar T, class Body>
void for_each_tile(const Team& team, const Block<T>& block, Body&& body) {
  team.in_turns(block.first_tile, block.tiles(),
                [&](int thread, Index t) { body(thread, t * block.tile_rows(), block.tile(t, team.size())); });
}

}  // namespace scanmf
