#pragma once

#include <algorithm>
#include <span>
#include <utility>
#include <vector>

#include "scanmf/core/tree_sum.hpp"
#include "scanmf/core/types.hpp"

namespace scanmf {

/// Numbers that a pass sums over tiles, threads and ranks.
enum class Total { violation, divergence, change_squared, norm_squared, w_sum, count };

/// These numbers and the sums of W that the loss asks for (FactorSums), in double and in one piece.
class Totals {
 public:
  explicit Totals(Index factor_sums)
      : values_(static_cast<std::size_t>(Total::count) + static_cast<std::size_t>(factor_sums), 0.0) {}

  double& operator[](Total which) { return values_[static_cast<std::size_t>(which)]; }
  double operator[](Total which) const { return values_[static_cast<std::size_t>(which)]; }
  std::span<double> factor_sums() { return std::span(values_).subspan(static_cast<std::size_t>(Total::count)); }
  std::span<const double> factor_sums() const {
    return std::span(values_).subspan(static_cast<std::size_t>(Total::count));
  }
  std::span<double> all() { return values_; }
  std::span<const double> all() const { return values_; }

  void clear() { std::ranges::fill(values_, 0.0); }
  /// Adds the numbers of `other`, which may have fewer factor sums.
  void add(const Totals& other) { add(other.all()); }
  void add(std::span<const double> numbers) {
    for (std::size_t i = 0; i < numbers.size(); ++i) values_[i] += numbers[i];
  }

 private:
  std::vector<double> values_;
};

/// Totals below nodes of the tree of strata, in the order of their leaves.
using NodeTotals = std::vector<std::pair<TreeNode, Totals>>;

}  // namespace scanmf
