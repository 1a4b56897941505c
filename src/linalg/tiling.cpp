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

Tiling tiling_for(StorageKind kind, const Shape& pass, Index stored, Index strata) {
  const auto wanted = [&](Index fewest, Index by_elements) {
    return strata > 0 ? strata : std::max(fewest, power_of_two_within(by_elements));
  };
  if (kind == StorageKind::dense) {
    constexpr Index fewest = 16;
    constexpr Index many = 4096;  // from here on strata grow, too
    const Index by_rows = std::min(pass.rows / 256, std::max(many, pass.rows / 1500));
    return dense_strata(quotient_above(pass.rows, wanted(fewest, by_rows)));
  }
  constexpr Index highest = 4096;
  constexpr Index fewest = 2;
  const Index parts = wanted(fewest, stored / (96 * std::max<Index>(1, pass.columns)));
  const Index tile_rows = std::clamp<Index>(pass.rows / std::max<Index>(64, strata), 1, highest);
  const Index tiles = quotient_above(pass.rows, tile_rows);
  return {tile_rows, quotient_above(tiles, std::min(parts, tiles))};
}

Index sums_at_a_time(StorageKind kind, const Shape& pass, Index stored, Index ranks, Index threads, Index strata) {
  const Tiling tiling = tiling_for(kind, pass, stored, strata);
  const Index all = quotient_above(pass.rows, tiling.tile_rows * tiling.tiles_a_stratum);
  const Index own = std::max<Index>(1, quotient_above(all, ranks));
  return std::min(own, threads + static_cast<Index>(std::bit_width(static_cast<std::uint64_t>(own - 1))));
}

}  // namespace scanmf
