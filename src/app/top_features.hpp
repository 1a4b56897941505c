#pragma once

#include <algorithm>
#include <numeric>
#include <vector>

#include "scanmf/linalg/matrix.hpp"

namespace scanmf::app {

/// The features with the largest weights in component c of Ht (n x k), the largest first, equal ones in the order of
/// the file: `most` at most, and none of weight 0.
template <Scalar T>
std::vector<Index> top_features(const Matrix<T>& Ht, Index c, Index most) {
  std::vector<Index> order(static_cast<std::size_t>(Ht.rows()));
  std::iota(order.begin(), order.end(), Index{0});
  const auto shown = order.begin() + static_cast<std::ptrdiff_t>(std::min(most, Ht.rows()));
  std::partial_sort(order.begin(), shown, order.end(),
                    [&](Index a, Index b) { return Ht(a, c) > Ht(b, c) || (Ht(a, c) == Ht(b, c) && a < b); });
  order.erase(std::find_if(order.begin(), shown, [&](Index j) { return !(Ht(j, c) > 0); }), order.end());
  return order;
}

}  // namespace scanmf::app
