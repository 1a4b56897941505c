#pragma once

#include <bit>
#include <cstdint>

#include "linalg/strips.hpp"

// Which elements of a dense row are observed, a strip of columns at a time.

namespace scanmf {

/// Bit j: whether column begin + j of a row is observed, for the strip that begins at column `begin`.
template <Scalar T>
std::uint64_t observed_bits(const DenseTile<T>& x, Index row, Index begin) {
  const Index width = strip_width<T>(begin, x.columns);
  return kernels::vectors<T>().observed_bits(x.observed, x.packed + begin * x.rows + row * width, width);
}

/// The bits of a strip that belong to columns of X; others are padding.
template <Scalar T>
std::uint64_t bits_of_columns(Index begin, Index columns) {
  static_assert(strip_columns<T> <= 64);
  const Index count = std::min(strip_columns<T>, columns - begin);
  return count == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
}

/// Calls visit(j) for the bits that are set, in their order.
template <class Visit>
void for_each_bit(std::uint64_t bits, Visit&& visit) {
  for (; bits != 0; bits &= bits - 1) visit(static_cast<Index>(std::countr_zero(bits)));
}

}  // namespace scanmf
