#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

#include "scanmf/linalg/tile.hpp"

// Where the few elements lie that differ from all others: a byte each, looked through eight at a time.

namespace scanmf {

/// marks[i] = 1 where x[i] is observed, else 0.
template <Scalar T>
void mark_observed(Observed observed, const T* x, Index count, std::uint8_t* marks) {
  if (observed == Observed::not_nan) {
    for (Index i = 0; i < count; ++i) marks[i] = is_observed(Observed::not_nan, x[i]) ? 1 : 0;
  } else {
    for (Index i = 0; i < count; ++i) marks[i] = is_observed(observed, x[i]) ? 1 : 0;
  }
}

/// Calls visit(i) for the marks that are not 0, in their order. count: a multiple of 8.
template <class Visit>
void for_each_mark(const std::uint8_t* marks, Index count, Visit&& visit) {
  static_assert(std::endian::native == std::endian::little);
  for (Index i = 0; i < count; i += 8) {
    std::uint64_t some = 0;
    std::memcpy(&some, marks + i, sizeof(some));
    for (; some != 0; some &= some - 1) visit(i + std::countr_zero(some) / 8);
  }
}

}  // namespace scanmf
