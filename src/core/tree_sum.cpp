#include "scanmf/core/tree_sum.hpp"

namespace scanmf {

std::vector<TreeNode> SumTree::nodes_of(Range some, int highest_level) const {
  std::vector<TreeNode> nodes;
  for (Index leaf = some.begin; leaf < some.end;) {
    TreeNode node{0, leaf};
    while (node.level < highest_level && node < top() && node.is_left() && node.parent().leaves(leaves).end <= some.end)
      node = node.parent();
    nodes.push_back(node);
    leaf = node.leaves(leaves).end;
  }
  return nodes;
}

}  // namespace scanmf
