#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "scanmf/core/team.hpp"
#include "scanmf/core/tree_sum.hpp"

namespace scanmf {

/// Numbers that are summed over columns of X.
struct ColumnNumbers {
  explicit ColumnNumbers(std::size_t count) : values(count, 0.0) {}
  void add(ColumnNumbers& other) {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] += other.values[i];
    other.clear();
  }
  void clear() { std::ranges::fill(values, 0.0); }
  std::vector<double> values;
};

/// Nodes of the sums of `count` numbers over `some` of so many columns, whole groups (column_group): those that
/// add(thread, columns of a node, group, numbers) adds to zeros, along the tree (add_leaves). A node has up to four
/// leaves: what many numbers are summed of in one go does not go through memory. Threads share the work.
template <class Add>
void sum_over_columns(TreeSum<ColumnNumbers>& sums, Index columns, Range some, std::size_t count, Add&& add) {
  const Index group = column_group(columns);
  sums.begin((columns + group - 1) / group);
  if (some.empty()) return;
  const std::vector<TreeNode> nodes = sums.tree().nodes_of({some.begin / group, (some.end + group - 1) / group}, 2);
  Team().in_parts(static_cast<Index>(nodes.size()), [&](int thread, Range part) {
    for (Index n = part.begin; n < part.end; ++n) {
      const TreeNode node = nodes[static_cast<std::size_t>(n)];
      const Range leaves = node.leaves(sums.tree().leaves);
      auto numbers = sums.take([&] { return std::make_unique<ColumnNumbers>(count); });
      numbers->values.resize(count, 0.0);  // sums of more or fewer numbers may have come before
      add(thread, Range{leaves.begin * group, std::min(some.end, leaves.end * group)}, group, numbers->values.data());
      sums.complete(node, std::move(numbers));
    }
  });
}

}  // namespace scanmf
