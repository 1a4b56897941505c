#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <utility>
#include <variant>

#include "scanmf/core/types.hpp"
#include "scanmf/linalg/matrix.hpp"

namespace scanmf {

/// How a block of X is stored.
enum class StorageKind { dense, csr };

/// Columns of a dense tile are kept in strips of 256 bytes a row (the last one rounded up to 64 bytes and padded with
/// zeros): the order in which the kernels walk, for every vector length up to 64 bytes.
///
///     columns   0 ....... S   S ...... 2S   2S … n 0 0
///     row 0    [strip 0, row 0][          ][          ]
///     row 1    [strip 0, row 1][  strip 1 ][ strip 2  ]     in memory: strip 0 rows 0,1,…  strip 1 rows 0,1,…
template <Scalar T>
constexpr Index strip_columns = 256 / static_cast<Index>(sizeof(T));
template <Scalar T>
constexpr Index column_grain = 64 / static_cast<Index>(sizeof(T));

/// Columns of a dense tile with its padding.
template <Scalar T>
constexpr Index padded_columns(Index columns) {
  return (columns + column_grain<T> - 1) / column_grain<T> * column_grain<T>;
}

/// How the rows of a pass are cut: tiles stay in the cache while they are used; consecutive tiles make a stratum, whose
/// sums one thread forms in their order. Sums of strata are added by the nodes of a binary tree (core/tree_sum.hpp), so
/// that it does not matter which rank or thread has which strata. A function of X and the pass, never of ranks, threads
/// or caches.
struct Tiling {
  Index tile_rows = 1;
  Index tiles_a_stratum = 1;
};

/// stored: elements that the rows of the pass hold. Every stratum costs an addition of n × k sums, so that one is worth
/// its elements: 256 dense rows, but 16 strata; of sparse rows 96 elements a column, but two strata. strata: about as
/// many instead, or 0.
Tiling tiling_for(StorageKind kind, const Shape& pass, Index stored, Index strata = 0);
/// Sums of strata that a rank with its share of them holds at a time: one a thread, and what waits for its sibling.
Index sums_at_a_time(StorageKind kind, const Shape& pass, Index stored, Index ranks, Index threads, Index strata = 0);

/// Which elements of X are observed. Others have no part in any sum; they lie where they were read, as NaN or as 0.
enum class Observed {
  all,
  not_nan,  // zeros that are not stored are observed
  not_zero
};
template <Scalar T>
constexpr bool is_observed(Observed observed, T element) {
  return observed == Observed::all || (observed == Observed::not_nan ? element == element : element != T{0});
}

/// A few rows of dense X, packed in strips.
template <Scalar T>
struct DenseTile {
  Index rows = 0;
  Index columns = 0;
  const T* packed = nullptr;
  const T* next =
      nullptr;  // tile that the same thread visits after this one, or null: it comes into the cache meanwhile
  Observed observed = Observed::all;
  const T* weights = nullptr;  // one a row; null: all are 1

  bool is_plain() const { return observed == Observed::all && weights == nullptr; }
  std::span<const T> stored() const { return {packed, static_cast<std::size_t>(rows * padded_columns<T>(columns))}; }
};

/// A few rows of sparse X. Non-zeros of row i: positions row_begin[i] … row_begin[i+1] of `column` and `value`;
/// columns ascend within a row and occur once.
template <Scalar T>
struct CsrTile {
  Index rows = 0;
  Index columns = 0;
  const Index* row_begin = nullptr;
  const std::int32_t* column = nullptr;
  const T* value = nullptr;
  Observed observed = Observed::all;
  const T* weights = nullptr;  // one a row; null: all are 1

  bool is_plain() const { return observed == Observed::all && weights == nullptr; }
  std::span<const T> stored() const {
    return {value + row_begin[0], static_cast<std::size_t>(row_begin[rows] - row_begin[0])};
  }
};

/// A tile of X, whatever its storage: what solvers see. Which kind it is, linalg's operations ask once a call. By
/// default all elements of its rows are observed, each with weight 1: it is plain.
template <Scalar T>
class TileView {
 public:
  TileView(const DenseTile<T>& tile) : tile_(tile) {}
  TileView(const CsrTile<T>& tile) : tile_(tile) {}
  /// Rows whose elements are not looked at.
  static TileView unread(Index rows, Index columns) { return DenseTile<T>{rows, columns}; }

  Index rows() const {
    return visit([](const auto& tile) { return tile.rows; });
  }
  /// The elements that are held, zeros of padding included.
  std::span<const T> stored() const {
    return visit([](const auto& tile) { return tile.stored(); });
  }
  Observed observed() const {
    return visit([](const auto& tile) { return tile.observed; });
  }
  /// One a row; null: all are 1.
  const T* weights() const {
    return visit([](const auto& tile) { return tile.weights; });
  }
  bool is_plain() const { return observed() == Observed::all && weights() == nullptr; }
  void set_observed(Observed observed, const T* weights) {
    std::visit(
        [&](auto& tile) {
          tile.observed = observed;
          tile.weights = weights;
        },
        tile_);
  }
  /// Calls body(DenseTile or CsrTile).
  template <class Body>
  decltype(auto) visit(Body&& body) const {
    return std::visit(std::forward<Body>(body), tile_);
  }

 private:
  std::variant<DenseTile<T>, CsrTile<T>> tile_;
};

/// Consecutive tiles of dense X; the tile that begins at row i starts at packed + i · padded_columns.
template <Scalar T>
struct DenseBlock {
  Index rows = 0;
  Index columns = 0;
  Index tile_rows = 0;
  const T* packed = nullptr;

  Index elements() const { return rows * columns; }
  /// One of equal tiles.
  DenseTile<T> tile(Index t) const { return tile({t * tile_rows, std::min(rows, (t + 1) * tile_rows)}, -1); }
  /// next: the row where the tile begins that the same thread visits after this one; negative: there is none.
  DenseTile<T> tile(Range of_rows, Index next) const {
    const Index padded = padded_columns<T>(columns);
    return {of_rows.size(), columns, packed + of_rows.begin * padded, next < 0 ? nullptr : packed + next * padded};
  }
};

/// Consecutive tiles of sparse X.
template <Scalar T>
struct CsrBlock {
  Index rows = 0;
  Index columns = 0;
  Index tile_rows = 0;
  const Index* row_begin = nullptr;
  const std::int32_t* column = nullptr;
  const T* value = nullptr;

  Index elements() const { return row_begin[rows] - row_begin[0]; }
  /// One of equal tiles.
  CsrTile<T> tile(Index t) const { return tile({t * tile_rows, std::min(rows, (t + 1) * tile_rows)}, -1); }
  CsrTile<T> tile(Range of_rows, Index) const {
    return {of_rows.size(), columns, row_begin + of_rows.begin, column, value};
  }
};

/// Where a tile of a block lies that is not cut by the rule of its source.
struct TileStart {
  Index row = 0;  // of the block
  Index stratum = 0;
};

/// What a data source hands to a solver: consecutive rows of X that this rank owns, whole tiles.
template <Scalar T>
struct Block {
  Index local_row = 0;        // this rank's row of W that belongs to the first row
  Index global_row = 0;       // number of the first row in X
  Index first_tile = 0;       // number of the first tile within the batch, the same for every number of ranks
  Index tiles_a_stratum = 1;  // of the batch
  std::span<const Index> first_tiles = {};  // of all strata of the batch, and the end, where they are not equal
  std::variant<DenseBlock<T>, CsrBlock<T>> matrix;
  Observed observed = Observed::all;
  const T* weights = nullptr;              // one a row; null: all are 1
  std::span<const TileStart> starts = {};  // of the tiles, where they do not follow from the numbers above

  Index rows() const {
    return std::visit([](const auto& m) { return m.rows; }, matrix);
  }
  /// Of all tiles but the last one of a stratum.
  Index tile_rows() const {
    return std::visit([](const auto& m) { return m.tile_rows; }, matrix);
  }
  Index tiles() const {
    return starts.empty() ? (rows() + tile_rows() - 1) / tile_rows() : static_cast<Index>(starts.size());
  }
  Index first_row(Index tile) const {
    if (tile == tiles()) return rows();
    return starts.empty() ? tile * tile_rows() : starts[static_cast<std::size_t>(tile)].row;
  }
  Index stratum(Index tile) const {
    if (!starts.empty()) return starts[static_cast<std::size_t>(tile)].stratum;
    if (first_tiles.empty()) return (first_tile + tile) / tiles_a_stratum;
    return std::ranges::upper_bound(first_tiles, first_tile + tile) - first_tiles.begin() - 1;
  }
  /// Whether it is known that the tile begins a stratum.
  bool begins_stratum(Index tile) const {
    if (!starts.empty()) return false;
    if (first_tiles.empty()) return (first_tile + tile) % tiles_a_stratum == 0;
    return std::ranges::binary_search(first_tiles, first_tile + tile);
  }
  /// The tiles of a stratum that are in this block.
  Range tiles_of(Index of_stratum) const {
    const auto first_of = [this](Index number) {
      const Index tile = first_tiles.empty() ? number * tiles_a_stratum : first_tiles[static_cast<std::size_t>(number)];
      return std::clamp<Index>(tile - first_tile, 0, tiles());
    };
    if (starts.empty()) return {first_of(of_stratum), first_of(of_stratum + 1)};
    const auto range = std::ranges::equal_range(starts, of_stratum, {}, &TileStart::stratum);
    return {range.begin() - starts.begin(), range.end() - starts.begin()};
  }
  /// Elements that products with this block take: all of dense rows, non-zeros of sparse ones.
  Index elements() const {
    return std::visit([](const auto& m) { return m.elements(); }, matrix);
  }
  StorageKind kind() const {
    return std::holds_alternative<DenseBlock<T>>(matrix) ? StorageKind::dense : StorageKind::csr;
  }
  /// next: the tile that the same thread visits after this one; negative: there is none.
  TileView<T> tile(Index t, Index next = -1) const {
    const Range of_rows{first_row(t), first_row(t + 1)};
    auto tile = std::visit(
        [&](const auto& m) -> TileView<T> { return m.tile(of_rows, next < 0 ? next : first_row(next)); }, matrix);
    tile.set_observed(observed, weights == nullptr ? nullptr : weights + of_rows.begin);
    return tile;
  }
};

}  // namespace scanmf
