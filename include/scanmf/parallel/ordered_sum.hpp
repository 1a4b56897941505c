#pragma once

#include <span>
#include <tuple>
#include <utility>
#include <vector>

#include "scanmf/core/exact_sum.hpp"
#include "scanmf/core/tree_sum.hpp"
#include "scanmf/parallel/communicator.hpp"

namespace scanmf {

/// Numbers of one node of a tree of sums, all nodes' the same many.
template <class T>
struct NodeValues {
  TreeNode node;
  std::span<T> values;
};

/// Sums over ranks by the nodes of a tree, rank r having the leaves cuts[r] … cuts[r + 1]: the same bits for any cuts.
/// What a rank gives are the fewest nodes that make up its leaves (SumTree::nodes_of), in their order; their values are
/// overwritten.
class OrderedSum {
 public:
  /// ranks_at_once: that a rank exchanges slices with: enough to hide latencies, few enough for a network that all
  /// ranks use at once.
  /// message: elements that make full use of it; slices are added in such pieces, while these are in the cache.
  OrderedSum(const Communicator& comm, Index leaves, std::vector<Index> cuts, int ranks_at_once = 16,
             Index message = Index{1} << 14)
      : comm_(comm), tree_{leaves}, cuts_(std::move(cuts)), ranks_at_once_(ranks_at_once), message_(message) {}

  /// The nodes that this rank gives.
  std::vector<TreeNode> own_nodes() const { return nodes_of(comm_.rank()); }

  /// Collective. For few numbers: total is the sum of all leaves, on every rank.
  void to_all(std::span<const NodeValues<double>> own, std::span<double> total);

  /// Collective. For many numbers: rank r gets elements offsets[r] … offsets[r + 1] of the sum, at their place in
  /// total; elsewhere it is left alone. What is received takes room that is kept for the next time. T = float, double.
  template <class T>
  void to_slices(std::span<const NodeValues<T>> own, std::span<const Index> offsets, std::span<T> total);

 private:
  std::vector<TreeNode> nodes_of(int rank) const;
  /// A piece of all nodes, in their order; of_others: how many of them are received.
  template <class T, class PieceOf>
  std::vector<NodeValues<T>> exchange(std::span<const NodeValues<T>> own, const PieceOf& piece_of, Index of_others,
                                      std::span<T> total);
  int owner_of(TreeNode node) const;
  /// The sum below a node, in the values of the first of its nodes on the rank that has it; elsewhere nothing.
  std::span<double> gather(TreeNode node, std::span<const NodeValues<double>> own);

  const Communicator& comm_;
  SumTree tree_;
  std::vector<Index> cuts_;
  int ranks_at_once_;
  Index message_;
  std::tuple<std::vector<float>, std::vector<double>> received_;
};

/// Collective. Of all ranks, on every rank; as many everywhere.
std::vector<double> exact_sums(const Communicator& comm, std::span<ExactSum> own);
double exact_sum(const Communicator& comm, ExactSum own);

/// The columns whose part of H each rank updates, whole groups (column_group): ranks + 1 offsets.
std::vector<Index> column_slices(Index columns, int ranks);
/// That of this rank.
Range column_slice(const Communicator& comm, Index columns);

}  // namespace scanmf
