#include "scanmf/parallel/ordered_sum.hpp"

#include <algorithm>
#include <functional>

namespace scanmf {
namespace {

template <class T>
void add_to(std::span<T> sum, std::span<const T> part) {
  std::transform(sum.begin(), sum.end(), part.begin(), sum.begin(), std::plus<>());
}

/// The sum of the whole tree, formed in the values of its nodes, which are all there, in the order of their leaves; in
/// `to` where that is one of them.
template <class T>
std::span<T> sum_of(const SumTree& tree, std::vector<NodeValues<T>> nodes, std::span<T> to) {
  std::vector<NodeValues<T>> open;
  for (NodeValues<T>& next : nodes) {
    next.node = tree.highest(next.node);
    while (!open.empty() && open.back().node == next.node.sibling()) {
      std::span<T> sum = open.back().values;
      if (next.values.data() == to.data()) std::swap(sum, next.values);  // a + b is b + a
      add_to<T>(sum, next.values);
      next = {tree.highest(next.node.parent()), sum};
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

std::span<double> OrderedSum::gather(TreeNode node, std::span<const NodeValues<double>> own) {
  const auto rank = static_cast<std::size_t>(comm_.rank());
  const Range leaves = node.leaves(tree_.leaves);
  if (leaves.end <= cuts_[rank] || leaves.begin >= cuts_[rank + 1]) return {};
  if (leaves.begin >= cuts_[rank] && leaves.end <= cuts_[rank + 1])
    return std::ranges::find(own, node, &NodeValues<double>::node)->values;
  const std::span<double> sum = gather(node.left(), own);
  if (!tree_.exists(node.right())) return sum;
  const std::span<double> other = gather(node.right(), own);
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
  std::vector<double>& received = std::get<std::vector<double>>(received_);
  received.resize(std::max(received.size(), sum.size()));
  const std::span<double> of_right = std::span(received).first(sum.size());
  comm_.receive(of_right, right);
  add_to<double>(sum, of_right);
  return sum;
}

void OrderedSum::to_all(std::span<const NodeValues<double>> own, std::span<double> total) {
  const std::span<const double> sum = gather(tree_.top(), own);
  const int root = owner_of(tree_.top());
  if (comm_.rank() == root) std::ranges::copy(sum, total.begin());
  comm_.broadcast(total, root);
}

template <class T>
void OrderedSum::to_slices(std::span<const NodeValues<T>> own, std::span<const Index> offsets, std::span<T> total) {
  Index all_nodes = 0;
  for (int rank = 0; rank < comm_.size(); ++rank) all_nodes += static_cast<Index>(nodes_of(rank).size());
  const Index of_others = all_nodes - static_cast<Index>(own.size());
  constexpr Index messages_at_once = 32;  // which fit a cache
  const Index piece = message_ * std::max<Index>(1, messages_at_once / all_nodes);
  Index longest = 0;
  for (std::size_t r = 0; r + 1 < offsets.size(); ++r) longest = std::max(longest, offsets[r + 1] - offsets[r]);
  for (Index begin = 0; begin < longest; begin += piece) {
    const auto piece_of = [&](std::span<T> values, int rank) {
      const auto r = static_cast<std::size_t>(rank);
      const Index first = std::min(offsets[r] + begin, offsets[r + 1]);
      const Index last = std::min(first + piece, offsets[r + 1]);
      return values.subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(last - first));
    };
    std::vector<NodeValues<T>> nodes = exchange<T>(own, piece_of, of_others, total);
    const std::span<T> to = piece_of(total, comm_.rank());
    const std::span<T> sum = sum_of(tree_, std::move(nodes), to);
    if (sum.data() != to.data()) std::ranges::copy(sum, to.begin());
  }
}

template <class T, class PieceOf>
std::vector<NodeValues<T>> OrderedSum::exchange(std::span<const NodeValues<T>> own, const PieceOf& piece_of,
                                                Index of_others, std::span<T> total) {
  const int ranks = comm_.size();
  const int rank = comm_.rank();
  std::vector<NodeValues<T>> nodes;
  for (const NodeValues<T>& one : own) nodes.push_back({one.node, piece_of(one.values, rank)});
  const std::size_t length = piece_of(total, rank).size();
  std::vector<T>& received = std::get<std::vector<T>>(received_);
  received.resize(std::max(received.size(), static_cast<std::size_t>(of_others) * length));
  auto room = received.begin();
  for (int first = 1; first < ranks; first += ranks_at_once_) {
    std::vector<Message<const T>> outgoing;
    std::vector<Message<T>> incoming;
    for (int step = first; step < std::min(first + ranks_at_once_, ranks); ++step) {
      const int to = (rank + step) % ranks;
      const int from = (rank - step + ranks) % ranks;
      for (const NodeValues<T>& one : own) outgoing.push_back({to, piece_of(one.values, to)});
      for (const TreeNode node : nodes_of(from)) {
        const std::span<T> values(room, length);
        room += static_cast<Index>(length);
        nodes.push_back({node, values});
        incoming.push_back({from, values});
      }
    }
    comm_.exchange<T>(outgoing, incoming);
  }
  std::ranges::sort(nodes, {}, [](const NodeValues<T>& one) { return one.node.first_leaf(); });
  return nodes;
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

template void OrderedSum::to_slices(std::span<const NodeValues<float>>, std::span<const Index>, std::span<float>);
template void OrderedSum::to_slices(std::span<const NodeValues<double>>, std::span<const Index>, std::span<double>);

}  // namespace scanmf
