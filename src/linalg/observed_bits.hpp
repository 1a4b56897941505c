#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "linalg/strips.hpp"

// Which elements of a dense row are observed, a strip of columns at a time.

namespace scanmf {

/// Bit j of bits[s·stride + i]: whether column j of strip s of row i is observed.
template <Scalar T>
void find_observed(const DenseTile<T>& x, std::uint64_t* bits, Index stride) {
  for (Index strip = 0; strip < strips_of<T>(x.columns); ++strip) {
    const Index begin = strip * strip_columns<T>;
    kernels::observed<T>().bits(x.observed, x.packed + begin * x.rows, x.rows, strip_width<T>(begin, x.columns),
                                bits + strip * stride);
  }
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

/// The numbers of a range that are not in a list, which ascends.
inline void list_others(Range range, std::span<const std::int32_t> list, std::vector<std::int32_t>& others) {
  others.clear();
  auto next = list.begin();
  for (Index i = range.begin; i < range.end; ++i) {
    if (next != list.end() && *next == i)
      ++next;
    else
      others.push_back(static_cast<std::int32_t>(i));
  }
}

}  // namespace scanmf
