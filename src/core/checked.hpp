#pragma once

#include <initializer_list>
#include <optional>

#include "scanmf/core/types.hpp"

namespace scanmf {

/// Product of sizes that a file or a user states; nullopt when one is negative or the product does not fit.
constexpr std::optional<Index> checked_product(std::initializer_list<Index> factors) {
  Index product = 1;
  for (const Index factor : factors)
    if (factor < 0 || __builtin_mul_overflow(product, factor, &product)) return std::nullopt;
  return product;
}

/// Sum of such sizes; nullopt likewise.
constexpr std::optional<Index> checked_sum(std::initializer_list<Index> terms) {
  Index sum = 0;
  for (const Index term : terms)
    if (term < 0 || __builtin_add_overflow(sum, term, &sum)) return std::nullopt;
  return sum;
}

}  // namespace scanmf
