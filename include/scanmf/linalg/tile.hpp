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

/// Rows of a tile, the unit of work of one thread: a constant of the pass, never of ranks, threads or caches.
/// 92 dense rows: neighbouring strips of a tile do not lie a multiple of 4 KiB apart, as they would with 96, where they
/// share sets of the cache.
constexpr Index tile_rows_for(StorageKind kind, Index rows_of_pass) {
  const Index largest = kind == StorageKind::dense ? 92 : 4096;
  return std::clamp<Index>(rows_of_pass / 64, 1, largest);
}

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

/// Consecutive tiles of dense X; tile t starts at packed + t · tile_rows · padded_columns.
template <Scalar T>
struct DenseBlock {
  Index rows = 0;
  Index columns = 0;
  Index tile_rows = 0;
  const T* packed = nullptr;

  Index elements() const { return rows * columns; }
  /// step: tiles from one of a thread to its next.
  DenseTile<T> tile(Index t, Index step = 1) const {
    const Index size = tile_rows * padded_columns<T>(columns);
    return {std::min(tile_rows, rows - t * tile_rows), columns, packed + t * size,
            (t + step) * tile_rows < rows ? packed + (t + step) * size : nullptr};
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
  CsrTile<T> tile(Index t, Index = 1) const {
    return {std::min(tile_rows, rows - t * tile_rows), columns, row_begin + t * tile_rows, column, value};
  }
};

/// What a data source hands to a solver: consecutive rows of X that this rank owns, whole tiles.
template <Scalar T>
struct Block {
  Index local_row = 0;   // this rank's row of W that belongs to the first row
  Index global_row = 0;  // number of the first row in X
  Index first_tile =
      0;  // number of the first tile within the batch, the same for every number of ranks: decides the thread
  std::variant<DenseBlock<T>, CsrBlock<T>> matrix;
  Observed observed = Observed::all;
  const T* weights = nullptr;  // one a row; null: all are 1

  Index rows() const {
    return std::visit([](const auto& m) { return m.rows; }, matrix);
  }
  Index tile_rows() const {
    return std::visit([](const auto& m) { return m.tile_rows; }, matrix);
  }
  Index tiles() const { return (rows() + tile_rows() - 1) / tile_rows(); }
  /// Elements that products with this block take: all of dense rows, non-zeros of sparse ones.
  Index elements() const {
    return std::visit([](const auto& m) { return m.elements(); }, matrix);
  }
  StorageKind kind() const {
    return std::holds_alternative<DenseBlock<T>>(matrix) ? StorageKind::dense : StorageKind::csr;
  }
  /// step: tiles from one of a thread to its next.
  TileView<T> tile(Index t, Index step = 1) const {
    auto tile = std::visit([&](const auto& m) -> TileView<T> { return m.tile(t, step); }, matrix);
    tile.set_observed(observed, weights == nullptr ? nullptr : weights + t * tile_rows());
    return tile;
  }
};

}  // namespace scanmf
