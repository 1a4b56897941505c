#pragma once

#include "scanmf/core/team.hpp"
#include "scanmf/linalg/tile.hpp"

namespace scanmf {

/// Which tile of a block a thread visits.
struct TilePlace {
  Index number = 0;  // in the block
  Index row = 0;     // its first one, of the block
  Index stratum = 0;
  bool ends_stratum = false;  // no tile of another block belongs to the stratum; not said of the last one of a batch
};

/// Calls body(thread, TilePlace, number of the thread's next tile or −1) for every tile of the block: those of a
/// stratum one after the other, stratum s of a batch by thread s mod T.
template <Scalar T, class Body>
void for_each_place(const Team& team, const Block<T>& block, Body&& body) {
  if (block.tiles() == 0) return;
  const Index first = block.stratum(0);
  const Index last = block.stratum(block.tiles() - 1);
  team.in_turns(first, last - first + 1, [&](int thread, Index i) {
    const Range tiles = block.tiles_of(first + i);
    const Index after = first + i + team.size() <= last ? block.tiles_of(first + i + team.size()).begin : Index{-1};
    for (Index t = tiles.begin; t < tiles.end; ++t) {
      const bool is_last = t + 1 == tiles.end;
      const bool ends = is_last && block.begins_stratum(t + 1);
      body(thread, TilePlace{t, block.first_row(t), first + i, ends}, is_last ? after : t + 1);
    }
  });
}

/// Calls body(thread, TilePlace, TileView) for every tile of the block, as above.
template <Scalar T, class Body>
void for_each_tile(const Team& team, const Block<T>& block, Body&& body) {
  for_each_place(team, block, [&](int thread, const TilePlace& place, Index next) {
    body(thread, place, block.tile(place.number, next));
  });
}

}  // namespace scanmf
