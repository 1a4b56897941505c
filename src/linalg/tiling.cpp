#include <bit>
#include <cstdint>

#include "scanmf/linalg/tile.hpp"

namespace scanmf {
namespace {

Index power_of_two_within(Index number) {
  return static_cast<Index>(std::bit_floor(static_cast<std::uint64_t>(std::max<Index>(1, number))));
}

Index quotient_above(Index number, Index divisor) { return (number + divisor - 1) / divisor; }

/// Neighbouring strips of a dense tile of so many rows lie a multiple of 4 KiB apart, and share sets of the cache.
constexpr bool collides(Index rows) { return rows >= 16 && rows % 16 == 0; }

/// Strata of equal height, the last one excepted, of tiles of at most 92 rows: the cut that comes closest to `height`.
Tiling dense_strata(Index height) {
  constexpr Index highest = 92;
  const Index fewest = quotient_above(height, highest);
  Tiling best;
  for (Index tiles = fewest; tiles <= fewest + 2; ++tiles) {
    Index rows = quotient_above(height, tiles);
    if (collides(rows)) ++rows;
    const bool is_first = tiles == fewest;
    if (is_first || (rows >= highest / 2 && rows * tiles < best.tile_rows * best.tiles_a_stratum)) best = {rows, tiles};
  }
  return best;
}

}  // namespace

Tiling tiling_for(StorageKind kind, const Shape& pass, Index stored) {
  if (kind == StorageKind::dense) {
    constexpr Index fewest = 16;
    constexpr Index many = 4096;  // from here on strata grow, too
    Index strata = std::max(fewest, power_of_two_within(pass.rows / 256));
    if (strata > many) strata = std::max(many, power_of_two_within(pass.rows / 1500));
    return dense_strata(quotient_above(pass.rows, strata));
  }
  constexpr Index highest = 4096;
  constexpr Index fewest = 2;
  const Index tile_rows = std::clamp<Index>(pass.rows / 64, 1, highest);
  const Index tiles = quotient_above(pass.rows, tile_rows);
  const Index strata = std::max(fewest, power_of_two_within(stored / (24 * std::max<Index>(1, pass.columns))));
  return {tile_rows, quotient_above(tiles, std::min(strata, tiles))};
}

Index sums_at_a_time(StorageKind kind, const Shape& pass, Index stored, Index ranks, Index threads) {
  const Tiling tiling = tiling_for(kind, pass, stored);
  const Index strata = quotient_above(pass.rows, tiling.tile_rows * tiling.tiles_a_stratum);
  const Index own = std::max<Index>(1, quotient_above(strata, ranks));
  return std::min(own, threads + static_cast<Index>(std::bit_width(static_cast<std::uint64_t>(own - 1))));
}

}  // namespace scanmf
