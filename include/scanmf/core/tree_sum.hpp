#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "scanmf/core/types.hpp"

namespace scanmf {

/// A node of the binary tree over leaves 0 … count − 1 by which sums are formed, whoever adds up which of them:
///
///     level 2            (0)
///     level 1      (0)         (1)          children 2i and 2i + 1; where only the left one exists,
///     level 0    0     1     2     3        the node is that child
///
struct TreeNode {
  int level = 0;
  Index number = 0;

  Index first_leaf() const { return number << level; }
  TreeNode parent() const { return {level + 1, number / 2}; }
  TreeNode sibling() const { return {level, number ^ 1}; }
  TreeNode left() const { return {level - 1, 2 * number}; }
  TreeNode right() const { return {level - 1, 2 * number + 1}; }
  bool is_left() const { return number % 2 == 0; }
  Range leaves(Index count) const { return {first_leaf(), std::min(count, (number + 1) << level)}; }
  friend auto operator<=>(const TreeNode&, const TreeNode&) = default;
};

/// The tree of so many leaves.
struct SumTree {
  Index leaves = 0;

  TreeNode top() const {
    return {leaves > 1 ? static_cast<int>(std::bit_width(std::bit_ceil(static_cast<std::uint64_t>(leaves)))) - 1 : 0,
            0};
  }
  bool exists(TreeNode node) const { return node.first_leaf() < leaves; }
  /// The highest node that is the same sum: without a right sibling a node is its parent.
  TreeNode highest(TreeNode node) const {
    while (node < top() && node.is_left() && !exists(node.sibling())) node = node.parent();
    return node;
  }
  /// The fewest nodes up to a level that make up some consecutive leaves, in their order.
  std::vector<TreeNode> nodes_of(Range some, int highest_level = 62) const;
};

/// Columns of X are summed over in groups of so many: leaves of a tree, for any number of ranks and threads.
constexpr Index column_group(Index columns) { return columns < (Index{1} << 16) ? 16 : 96; }

/// Adds to numbers, which are 0, those of a node's leaves along the tree. add(range, numbers): those of a leaf, a group
/// of the node's columns 0 … count − 1, the last one maybe smaller.
template <class Add>
void add_leaves(Range columns, Index group, std::span<double> numbers, Add&& add) {
  const Index leaves = (columns.size() + group - 1) / group;
  if (leaves <= 1) return add(columns, numbers.data());
  const Index middle =
      columns.begin + static_cast<Index>(std::bit_ceil(static_cast<std::uint64_t>(leaves))) / 2 * group;
  std::vector<double> of_right(numbers.size(), 0.0);
  add_leaves({columns.begin, middle}, group, numbers, add);
  add_leaves({middle, columns.end}, group, std::span(of_right), add);
  for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] += of_right[i];
}

/// Sums over leaves of a tree that are completed in any order, by any thread: the same bits always. Part::add(Part&)
/// adds the numbers of another part and leaves it empty, as a new one is.
template <class Part>
class TreeSum {
 public:
  using Owned = std::unique_ptr<Part>;

  /// Forgets all nodes; their parts are kept to be taken again, once they are empty.
  void begin(Index leaves) {
    tree_ = {leaves};
    for (auto& [node, part] : nodes_) give_back(std::move(part));
    nodes_.clear();
  }
  const SumTree& tree() const { return tree_; }

  /// An empty part, made by make() where none is left from before.
  template <class Make>
  Owned take(Make&& make) {
    {
      const std::lock_guard lock(mutex_);
      if (!spare_.empty()) {
        Owned part = std::move(spare_.back());
        spare_.pop_back();
        return part;
      }
    }
    return make();
  }

  /// A part that is of no use, to be taken again.
  void give_back(Owned part) {
    part->clear();
    const std::lock_guard lock(mutex_);
    spare_.push_back(std::move(part));
  }

  /// The sum below a node is complete.
  void complete(TreeNode node, Owned part) {
    std::unique_lock lock(mutex_);
    for (node = tree_.highest(node);; node = tree_.highest(node.parent())) {
      const auto other = node < tree_.top() ? nodes_.find(node.sibling()) : nodes_.end();
      if (other == nodes_.end()) break;
      Owned sibling = std::move(other->second);
      nodes_.erase(other);
      lock.unlock();
      part->add(*sibling);  // left or right: a + b is b + a
      lock.lock();
      spare_.push_back(std::move(sibling));
    }
    nodes_.emplace(node, std::move(part));
  }

  /// The part of a node that is complete, or null.
  Part* find(TreeNode node) const {
    const auto found = nodes_.find(tree_.highest(node));
    return found == nodes_.end() ? nullptr : found->second.get();
  }
  /// What is left: one node if all leaves were completed. In the order of their leaves.
  std::vector<std::pair<TreeNode, Part*>> nodes() const {
    std::vector<std::pair<TreeNode, Part*>> all;
    for (const auto& [node, part] : nodes_) all.emplace_back(node, part.get());
    std::ranges::sort(all, {}, [](const auto& one) { return one.first.first_leaf(); });
    return all;
  }

 private:
  SumTree tree_;
  std::mutex mutex_;
  std::map<TreeNode, Owned> nodes_;
  std::vector<Owned> spare_;
};

}  // namespace scanmf
