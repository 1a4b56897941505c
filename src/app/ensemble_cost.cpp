#include "app/ensemble_cost.hpp"

#include <algorithm>

namespace scanmf::app {
namespace {

/// Ranks of a group: parts of a node's, then those of several nodes; ascending.
std::vector<Index> group_sizes(Index nodes, Index ranks_a_node) {
  std::vector<Index> sizes;
  for (Index ranks = 1; ranks <= ranks_a_node; ++ranks)
    if (ranks_a_node % ranks == 0) sizes.push_back(ranks);
  for (Index some = 2; some <= nodes; ++some)
    if (nodes % some == 0) sizes.push_back(some * ranks_a_node);
  return sizes;
}

/// The part of the cluster that a group of so many ranks has to itself.
Cluster part_of(const Cluster& cluster, Index ranks_a_node, Index ranks) {
  Cluster part = cluster;
  const Index of_a_node = std::min(ranks, ranks_a_node);
  part.nodes = std::max<Index>(1, ranks / ranks_a_node);
  part.cores = cluster.cores / ranks_a_node * of_a_node;
  part.node_memory *= static_cast<double>(of_a_node) / static_cast<double>(ranks_a_node);
  return part;
}

EnsembleLayout layout_of(const std::vector<FitsOfK>& ks, Index fits, const Cluster& cluster, Index ranks_a_node) {
  const Index all = cluster.nodes * ranks_a_node;
  for (const Index ranks : group_sizes(cluster.nodes, ranks_a_node)) {
    const Index groups = all / ranks;
    if (groups > fits && ranks < all) continue;
    const Cluster part = part_of(cluster, ranks_a_node, ranks);
    const Index of_a_node = std::min(ranks, ranks_a_node);
    EnsembleLayout result{cost_of(ks.back().x, part, ks.back().speed, of_a_node), groups};
    if (!result.ranks.fits && ranks < all) continue;
    result.ranks.ranks_a_node = ranks_a_node;
    result.ranks.node_memory = result.ranks.rank_memory * static_cast<double>(ranks_a_node);
    result.is_possible = result.ranks.node_memory <= cluster.node_memory;
    result.ranks.seconds = 0;
    for (const FitsOfK& of_k : ks)
      result.ranks.seconds +=
          of_k.iterations * cost_of(of_k.x, part, of_k.speed, of_a_node).seconds / static_cast<double>(groups);
    return result;
  }
  return {};  // never: the last size is that of all ranks
}

}  // namespace

std::vector<EnsembleLayout> ensemble_layouts(const std::vector<FitsOfK>& ks, Index fits, const Cluster& cluster) {
  std::vector<EnsembleLayout> all;
  for (Index ranks = 1; ranks <= cluster.cores; ++ranks)
    if (cluster.cores % ranks == 0) all.push_back(layout_of(ks, fits, cluster, ranks));
  const auto best = std::ranges::min_element(all, [](const EnsembleLayout& a, const EnsembleLayout& b) {
    if (a.is_possible != b.is_possible) return a.is_possible;
    return a.ranks.fits != b.ranks.fits ? a.ranks.fits : a.ranks.seconds < 0.98 * b.ranks.seconds;
  });
  std::rotate(all.begin(), best, best + 1);
  return all;
}

}  // namespace scanmf::app
