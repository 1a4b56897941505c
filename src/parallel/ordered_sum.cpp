#include "scanmf/parallel/ordered_sum.hpp"

#include <algorithm>
#include <functional>

namespace scanmf {
namespace {

template <class T>
void add_to(std::span<T> sum, std::span<const T> part) {
  std::transform(sum.begin(), sum.end(), part.begin(), sum.begin(), std::plus<>());
}

/// The sum of the whole tree, formed in the values of its nodes, which are all there, in the order of their leaves.
template <class T>
std::span<T> sum_of(const SumTree& tree, std::vector<NodeValues<T>> nodes) {
  std::vector<NodeValues<T>> open;
  for (NodeValues<T>& next : nodes) {
    next.node = tree.highest(next.node);
    while (!open.empty() && open.back().node == next.node.sibling()) {
      add_to<T>(open.back().values, next.values);
      next = {tree.highest(next.node.parent()), open.back().values};
      open.pop_back();
    }
    open.push_back(next);
  }
  return open.front().values;
}

}  // namespace

std::vector<TreeNode> OrderedSum::nodes_of(int rank) const {
  const auto at = static_cast<std::size_t>(rank);
  return tree_.nodes_of({cuts_[at], cuts_[at + 1]});
}

int OrderedSum::owner_of(TreeNode node) const {
  return static_cast<int>(std::ranges::upper_bound(cuts_, node.first_leaf()) - cuts_.begin()) - 1;
}

std::vector<double> OrderedSum::gather(TreeNode node, std::span<const NodeValues<double>> own) const {
  const auto rank = static_cast<std::size_t>(comm_.rank());
  const Range leaves = node.leaves(tree_.leaves);
  if (leaves.end <= cuts_[rank] || leaves.begin >= cuts_[rank + 1]) return {};
  if (leaves.begin >= cuts_[rank] && leaves.end <= cuts_[rank + 1]) {
    const auto found = std::ranges::find(own, node, &NodeValues<double>::node);
    return {found->values.begin(), found->values.end()};
  }
  std::vector<double> sum = gather(node.left(), own);
  if (!tree_.exists(node.right())) return sum;
  std::vector<double> other = gather(node.right(), own);
  const int left = owner_of(node.left());
  const int right = owner_of(node.right());
  if (left == right || (comm_.rank() != left && comm_.rank() != right)) {
    if (left == comm_.rank()) add_to<double>(sum, other);
    return sum;
  }
  if (comm_.rank() == right) {
    comm_.send(std::span<const double>(other), left);
    return {};
  }
  other.resize(sum.size());
  comm_.receive(std::span<double>(other), right);
  add_to<double>(sum, other);
  return sum;
}

void OrderedSum::to_all(std::span<const NodeValues<double>> own, std::span<double> total) const {
  const std::vector<double> sum = gather(tree_.top(), own);
  const int root = owner_of(tree_.top());
  if (comm_.rank() == root) std::ranges::copy(sum, total.begin());
  comm_.broadcast(total, root);
}

template <class T>
void OrderedSum::to_slices(std::span<const NodeValues<T>> own, std::span<const Index> offsets,
                           std::span<T> total) const {
  const auto slice_of = [&](std::span<T> values, int rank) {
    const auto r = static_cast<std::size_t>(rank);
    return values.subspan(static_cast<std::size_t>(offsets[r]), static_cast<std::size_t>(offsets[r + 1] - offsets[r]));
  };
  const int ranks = comm_.size();
  const int rank = comm_.rank();
  std::vector<NodeValues<T>> nodes;
  for (const NodeValues<T>& one : own) nodes.push_back({one.node, slice_of(one.values, rank)});
  std::vector<std::vector<T>> received;
  for (int first = 1; first < ranks; first += ranks_at_once_) {
    std::vector<Message<const T>> outgoing;
    std::vector<Message<T>> incoming;
    for (int step = first; step < std::min(first + ranks_at_once_, ranks); ++step) {
      const int to = (rank + step) % ranks;
      const int from = (rank - step + ranks) % ranks;
      for (const NodeValues<T>& one : own) outgoing.push_back({to, slice_of(one.values, to)});
      for (const TreeNode node : nodes_of(from)) {
        const std::span<T> values = received.emplace_back(slice_of(total, rank).size());
        nodes.push_back({node, values});
        incoming.push_back({from, values});
      }
    }
    comm_.exchange<T>(outgoing, incoming);
  }
  std::ranges::sort(nodes, {}, [](const NodeValues<T>& one) { return one.node.first_leaf(); });
  const std::span<T> sum = sum_of(tree_, std::move(nodes));
  const std::span<T> to = slice_of(total, rank);
  if (sum.data() != to.data()) std::ranges::copy(sum, to.begin());
}

std::vector<double> exact_sums(const Communicator& comm, std::span<ExactSum> own) {
  std::vector<Index> digits;
  for (ExactSum& sum : own) {
    const std::span<Index> of_sum = sum.settled_digits();
    digits.insert(digits.end(), of_sum.begin(), of_sum.end());
  }
  comm.allreduce_sum(std::span<Index>(digits));
  std::vector<double> sums;
  auto next = digits.begin();
  for (ExactSum& sum : own) {
    const std::span<Index> of_sum = sum.settled_digits();
    std::copy_n(next, of_sum.size(), of_sum.begin());
    next += static_cast<Index>(of_sum.size());
    sums.push_back(sum.value());
  }
  return sums;
}

double exact_sum(const Communicator& comm, ExactSum own) { return exact_sums(comm, {&own, 1}).front(); }

std::vector<Index> column_slices(Index columns, int ranks) {
  return slice_offsets(columns, ranks, column_group(columns));
}

Range column_slice(const Communicator& comm, Index columns) {
  const std::vector<Index> offsets = column_slices(columns, comm.size());
  const auto rank = static_cast<std::size_t>(comm.rank());
  return {offsets[rank], offsets[rank + 1]};
}

template void OrderedSum::to_slices(std::span<const NodeValues<float>>, std::span<const Index>, std::span<float>) const;
template void OrderedSum::to_slices(std::span<const NodeValues<double>>, std::span<const Index>,
                                    std::span<double>) const;

}  // namespace scanmf
