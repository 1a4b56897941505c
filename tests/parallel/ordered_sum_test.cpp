#include "scanmf/parallel/ordered_sum.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace scanmf {
namespace {

template <class T>
T leaf_value(Index leaf, std::size_t element) {
  return T{1} / static_cast<T>(3 + leaf + 7 * static_cast<Index>(element));
}

template <class T>
std::vector<T> sum_below(const SumTree& tree, TreeNode node, std::size_t length) {
  std::vector<T> sum(length);
  if (node.level == 0) {
    for (std::size_t i = 0; i < length; ++i) sum[i] = leaf_value<T>(node.number, i);
    return sum;
  }
  sum = sum_below<T>(tree, node.left(), length);
  if (!tree.exists(node.right())) return sum;
  const std::vector<T> right = sum_below<T>(tree, node.right(), length);
  for (std::size_t i = 0; i < length; ++i) sum[i] += right[i];
  return sum;
}

/// Any cuts of so many leaves, the same on every rank; some ranks may have none.
std::vector<Index> random_cuts(std::mt19937& random, Index leaves, int ranks) {
  std::vector<Index> cuts{0, leaves};
  while (static_cast<int>(cuts.size()) < ranks + 1)
    cuts.push_back(std::uniform_int_distribution<Index>(0, leaves)(random));
  std::ranges::sort(cuts);
  return cuts;
}

template <class T>
struct OwnNodes {
  OwnNodes(const OrderedSum& sum, Index leaves, std::size_t length) {
    for (const TreeNode node : sum.own_nodes()) values.push_back(sum_below<T>({leaves}, node, length));
    std::size_t i = 0;
    for (const TreeNode node : sum.own_nodes()) nodes.push_back({node, values[i++]});
  }
  std::vector<std::vector<T>> values;
  std::vector<NodeValues<T>> nodes;
};

template <class T>
void expect_slices(const Communicator& comm, OrderedSum& sum, Index leaves, const std::vector<Index>& offsets) {
  const auto length = static_cast<std::size_t>(offsets.back());
  const std::vector<T> expected = sum_below<T>({leaves}, SumTree{leaves}.top(), length);
  const OwnNodes<T> own(sum, leaves, length);
  std::vector<T> total(length, T{-1});
  sum.to_slices<T>(own.nodes, offsets, total);
  for (std::size_t i = 0; i < length; ++i) {
    const auto at = static_cast<Index>(i);
    const auto rank = static_cast<std::size_t>(comm.rank());
    const bool is_own = at >= offsets[rank] && at < offsets[rank + 1];
    EXPECT_EQ(total[i], is_own ? expected[i] : T{-1});
  }
}

TEST(OrderedSum, has_the_same_bits_for_any_cuts) {
  std::mt19937 random(7);
  for (const Index message_limit : {Index{3}, default_message_limit}) {
    const Communicator comm(MPI_COMM_WORLD, message_limit);
    for (const Index leaves : {1, 2, 3, 5, 8, 21, 64})
      for (int trial = 0; trial < 8; ++trial) {
        SCOPED_TRACE(testing::Message() << leaves << " leaves, trial " << trial);
        OrderedSum sum(comm, leaves, random_cuts(random, leaves, comm.size()), 1 + trial % 4, trial % 2 == 0 ? 1 : 100);
        constexpr std::size_t few = 5;
        const OwnNodes<double> own(sum, leaves, few);
        std::vector<double> total(few);
        sum.to_all(own.nodes, total);
        EXPECT_EQ(total, (sum_below<double>({leaves}, SumTree{leaves}.top(), few)));
        std::vector<Index> offsets = random_cuts(random, 17, comm.size());
        expect_slices<float>(comm, sum, leaves, offsets);
        expect_slices<double>(comm, sum, leaves, offsets);
      }
  }
}

TEST(OrderedSum, of_exact_sums_over_ranks) {
  const Communicator comm;
  ExactSum own;
  own.add(comm.rank() == 0 ? 1e200 : 1.0);
  if (comm.rank() == comm.size() - 1) own.add(-1e200);
  EXPECT_EQ(exact_sum(comm, own), comm.size() - 1);
}

TEST(OrderedSum, slices_of_columns_are_whole_groups) {
  for (const Index columns : {1, 15, 16, 17, 333, 100000})
    for (const int ranks : {1, 2, 7, 64}) {
      const std::vector<Index> slices = column_slices(columns, ranks);
      ASSERT_EQ(slices.size(), static_cast<std::size_t>(ranks) + 1);
      EXPECT_EQ(slices.front(), 0);
      EXPECT_EQ(slices.back(), columns);
      for (const Index cut : slices) EXPECT_TRUE(cut == columns || cut % column_group(columns) == 0);
      EXPECT_TRUE(std::ranges::is_sorted(slices));
    }
}

}  // namespace
}  // namespace scanmf
