#pragma once

#include "scanmf/linalg/tile.hpp"

namespace scanmf {

/// How a symmetric k × k matrix is summed: its upper triangle in blocks of whole vectors of 64 bytes, as few of them as
/// there are. Of the components that fill blocks of `block`, a row holds the columns from its block on; of those that
/// are left over, a row holds all columns. With k = 50 and block 16: rows 0 to 15 hold columns 0 to 47, rows 16 to 31
/// columns 16 to 47, rows 32 to 47 columns 32 to 47, rows 48 and 49 columns 0 to 63 (50 and more mean nothing).
template <Scalar T>
class GramLayout {
 public:
  static constexpr Index block = column_grain<T>;

  explicit constexpr GramLayout(Index k) : k_(k), blocks_(k / block) {}

  /// Components that fill blocks.
  constexpr Index whole() const { return blocks_ * block; }
  constexpr Index size() const { return row(whole()) + (k_ - whole()) * (blocks_ + 1) * block; }
  /// Where row a begins: with the column first_column(a).
  constexpr Index row(Index a) const {
    const Index number = a / block;
    const Index before = block * block * (number * blocks_ - number * (number - 1) / 2);
    return before + (a - number * block) * length(a);
  }
  constexpr Index first_column(Index a) const { return a < whole() ? a / block * block : 0; }
  /// Numbers of row a.
  constexpr Index length(Index a) const { return a < whole() ? whole() - first_column(a) : (blocks_ + 1) * block; }
  /// Where the element (a, b) is, a <= b.
  constexpr Index at(Index a, Index b) const { return b < whole() ? row(a) + b - first_column(a) : row(b) + a; }

 private:
  Index k_;
  Index blocks_;
};

}  // namespace scanmf
