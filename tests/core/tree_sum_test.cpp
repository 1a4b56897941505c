#include "scanmf/core/tree_sum.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

#include "scanmf/core/team.hpp"

namespace scanmf {
namespace {

/// A sum that also says how it was formed.
struct Part {
  void add(Part& other) {
    value += other.value;
    leaves += other.leaves;
    other.clear();
  }
  void clear() { *this = {}; }
  float value = 0;
  Index leaves = 0;
};

float leaf_value(Index leaf) { return 1.0F / static_cast<float>(leaf + 3); }

auto leaf_part(TreeSum<Part>& sum, Index leaf) {
  auto part = sum.take([] { return std::make_unique<Part>(); });
  EXPECT_EQ(part->leaves, 0) << "parts are taken empty";
  *part = {leaf_value(leaf), 1};
  return part;
}

/// The sum by its definition.
float sum_below(const SumTree& tree, TreeNode node) {
  if (node.level == 0) return leaf_value(node.number);
  const float left = sum_below(tree, node.left());
  return tree.exists(node.right()) ? left + sum_below(tree, node.right()) : left;
}

TEST(TreeSum, has_the_same_bits_in_any_order) {
  std::mt19937 random(1);
  TreeSum<Part> sum;
  for (const Index leaves : {1, 2, 3, 5, 8, 13, 64, 100, 1000}) {
    const SumTree tree{leaves};
    const float expected = sum_below(tree, tree.top());
    for (int trial = 0; trial < 5; ++trial) {
      std::vector<Index> order(static_cast<std::size_t>(leaves));
      std::iota(order.begin(), order.end(), Index{0});
      if (trial > 0) std::ranges::shuffle(order, random);
      sum.begin(leaves);
      Team().as_they_come(leaves, [&](int, Index i) {
        const Index leaf = order[static_cast<std::size_t>(i)];
        sum.complete({0, leaf}, leaf_part(sum, leaf));
      });
      ASSERT_EQ(sum.nodes().size(), 1U);
      EXPECT_EQ(sum.nodes().front().second->value, expected) << leaves;
      EXPECT_EQ(sum.nodes().front().second->leaves, leaves);
    }
  }
}

TEST(TreeSum, of_consecutive_leaves_leaves_the_fewest_nodes) {
  for (const Index leaves : {1, 2, 3, 5, 7, 8, 13, 16, 30}) {
    const SumTree tree{leaves};
    for (Index begin = 0; begin < leaves; ++begin)
      for (Index end = begin; end <= leaves; ++end) {
        TreeSum<Part> sum;
        sum.begin(leaves);
        for (Index leaf = end - 1; leaf >= begin; --leaf) sum.complete({0, leaf}, leaf_part(sum, leaf));
        const std::vector<TreeNode> expected = tree.nodes_of({begin, end});
        const auto nodes = sum.nodes();
        ASSERT_EQ(nodes.size(), expected.size());
        Index next = begin;
        for (std::size_t i = 0; i < nodes.size(); ++i) {
          EXPECT_EQ(nodes[i].first, expected[i]);
          EXPECT_EQ(nodes[i].first.leaves(leaves).begin, next);
          next = nodes[i].first.leaves(leaves).end;
          EXPECT_EQ(nodes[i].second->value, sum_below(tree, nodes[i].first));
        }
        EXPECT_EQ(next, end);
      }
  }
}

TEST(TreeSum, of_nodes_up_to_a_level_has_the_same_bits) {
  constexpr Index group = 3;
  constexpr Index columns = 40 * group + 2;  // the last leaf is smaller
  constexpr Index leaves = 41;
  const SumTree tree{leaves};
  const auto add = [](Range some, double* numbers) {
    for (Index j = some.begin; j < some.end; ++j) numbers[0] += 1.0 / static_cast<double>(j + 3);
    numbers[1] += static_cast<double>(some.size());
  };
  const auto sum_of = [&](Range some, int level) {
    std::vector<double> sum(2, 0.0);
    for (const TreeNode node : tree.nodes_of(some, level)) {
      EXPECT_LE(node.level, level);
      const Range of_node = node.leaves(leaves);
      std::vector<double> numbers(2, 0.0);
      const Range its_columns{of_node.begin * group, std::min(columns, of_node.end * group)};
      add_leaves(its_columns, group, std::span(numbers), add);
      EXPECT_EQ(numbers[1], static_cast<double>(its_columns.size()));
      const auto below = [&](auto&& self, TreeNode part) -> double {
        if (part.level > 0)
          return tree.exists(part.right()) ? self(self, part.left()) + self(self, part.right())
                                           : self(self, part.left());
        std::vector<double> leaf(2, 0.0);
        add({part.number * group, std::min(columns, (part.number + 1) * group)}, leaf.data());
        return leaf[0];
      };
      EXPECT_EQ(numbers[0], below(below, node)) << "node " << node.number << " of level " << node.level;
      sum[1] += numbers[1];
    }
    return sum[1];
  };
  for (const int level : {0, 1, 2, 6}) {
    EXPECT_EQ(sum_of({0, leaves}, level), columns);
    EXPECT_EQ(sum_of({3, 22}, level), 19 * group);
    EXPECT_EQ(sum_of({3, 3}, level), 0);
  }
}

TEST(TreeSum, takes_parts_again) {
  TreeSum<Part> sum;
  int made = 0;
  const auto make = [&] {
    ++made;
    return std::make_unique<Part>();
  };
  for (int pass = 0; pass < 3; ++pass) {
    sum.begin(64);
    for (Index leaf = 0; leaf < 64; ++leaf) {
      auto part = sum.take(make);
      EXPECT_EQ(part->leaves, 0);
      *part = {1, 1};
      sum.complete({0, leaf}, std::move(part));
    }
    EXPECT_EQ(sum.nodes().front().second->value, 64);
  }
  EXPECT_EQ(made, 7) << "one a level and one that is being filled";
}

}  // namespace
}  // namespace scanmf
