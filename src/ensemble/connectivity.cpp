#include "ensemble/connectivity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "core/at.hpp"
#include "ensemble/local_rows.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/random.hpp"
#include "scanmf/core/team.hpp"
#include "scanmf/parallel/environment.hpp"

namespace scanmf {
namespace {

/// Distances of pairs of `count` things, and the tree of average linkage over them: the nearest-neighbour chain
/// (Murtagh, The Computer Journal 26(4), 1983; Müllner, arXiv 1109.2378) with the formula of Lance & Williams 1967.
class AverageLinkage {
 public:
  explicit AverageLinkage(Index count) : count_(count), distances_(at(count * (count - 1) / 2)), size_(at(count), 1) {}

  double& distance(Index i, Index j) { return distances_[place(i, j)]; }
  std::span<double> distances() { return distances_; }

  /// Calls merged(height, pairs) for each of the count − 1 unions: the pairs of things that come together there. The
  /// distances are lost.
  template <class Merged>
  void join(Merged&& merged) {
    std::vector<Index> chain;
    Index first = 0;
    for (Index unions = 0; unions + 1 < count_;) {
      if (chain.empty()) {
        while (size_[at(first)] == 0) ++first;
        chain.push_back(first);
      }
      const Index last = chain.back();
      const Index before = chain.size() > 1 ? chain[chain.size() - 2] : -1;
      const Index nearest = nearest_of(last, before);
      if (nearest != before) {
        chain.push_back(nearest);
        continue;
      }
      merged(distance(last, nearest), static_cast<double>(size_[at(last)] * size_[at(nearest)]));
      unite(std::min(last, nearest), std::max(last, nearest));  // as scipy does: ties are broken alike
      chain.resize(chain.size() - 2);
      ++unions;
    }
  }

 private:
  std::size_t place(Index i, Index j) const {
    if (i > j) std::swap(i, j);
    return at(i * (2 * count_ - i - 1) / 2 + j - i - 1);
  }

  /// Of equally near ones the one before in the chain, which ends it.
  Index nearest_of(Index own, Index before) {
    Index nearest = before;
    for (Index j = 0; j < count_; ++j)
      if (j != own && size_[at(j)] > 0 && (nearest < 0 || distance(own, j) < distance(own, nearest))) nearest = j;
    return nearest;
  }

  void unite(Index from, Index to) {
    const auto a = static_cast<double>(size_[at(from)]);
    const auto b = static_cast<double>(size_[at(to)]);
    for (Index j = 0; j < count_; ++j)
      if (j != from && j != to && size_[at(j)] > 0)
        distance(to, j) = (a * distance(from, j) + b * distance(to, j)) / (a + b);
    size_[at(to)] += size_[at(from)];
    size_[at(from)] = 0;
  }

  Index count_;
  std::vector<double> distances_;  // of i < j, row by row
  std::vector<Index> size_;        // things in each union, which has the place of one of them; 0: it is in another one
};

/// Sum and sum of squares of the distances, each of a pair of things.
struct Sums {
  double sum = 0;
  double squares = 0;
  void add(double distance, double pairs) {
    sum += pairs * distance;
    squares += pairs * distance * distance;
  }
  double variance(double pairs) const { return squares / pairs - sum / pairs * (sum / pairs); }
};

}  // namespace

/// Floyd's method (Bentley, Communications of the ACM 30(9), 1987).
std::vector<Index> sampled_rows(std::uint32_t random_state, Index rows, Index count) {
  LegacyRandom random(random_state);
  std::set<Index> chosen;
  for (Index last = rows - std::min(rows, count); last < rows; ++last) {
    const auto drawn = static_cast<Index>(random.uniform() * static_cast<double>(last + 1));
    if (!chosen.insert(drawn).second) chosen.insert(last);
  }
  return {chosen.begin(), chosen.end()};
}

template <Scalar T>
std::vector<std::int32_t> labels_of(const Communicator& comm, const RowPartition& partition, const Matrix<T>& W,
                                    std::span<const Index> rows) {
  std::vector<Index> labels(rows.size(), 0);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (partition.owner(rows[i]) != comm.rank()) continue;
    const T* const row = W.row(local_row(partition, comm.rank(), rows[i]));
    labels[i] = std::max_element(row, row + W.columns()) - row;
  }
  comm.allreduce_sum(std::span(labels));
  return {labels.begin(), labels.end()};
}

Connectivity connectivity_of(std::span<const std::int32_t> labels, Index rows) {
  if (rows < 2) return {1, 1};
  const auto replicates = static_cast<Index>(labels.size()) / rows;
  AverageLinkage tree(rows);
  Team().for_each(rows, [&](Index i) {
    for (Index j = i + 1; j < rows; ++j) {
      Index different = 0;
      for (Index r = 0; r < replicates; ++r) different += labels[at(r * rows + i)] != labels[at(r * rows + j)] ? 1 : 0;
      tree.distance(i, j) = static_cast<double>(different) / static_cast<double>(replicates);
    }
  });
  const double pairs = static_cast<double>(rows) * static_cast<double>(rows - 1) / 2;
  Sums distances;
  double spread = 0;  // (c − ½)² of all pairs
  for (const double distance : tree.distances()) {
    distances.add(distance, 1);
    spread += (0.5 - distance) * (0.5 - distance);
  }
  // The height of a union is the mean distance of its pairs. So the distances in the tree have the same sum as those
  // outside, their products with these the sum of their own squares, and the correlation is the ratio of deviations.
  Sums heights;
  tree.join([&](double height, double count) { heights.add(height, count); });
  const double variance = distances.variance(pairs);
  constexpr double rounding = 1e-15;
  const double ratio = variance > rounding ? std::max(0.0, heights.variance(pairs)) / variance : 1;
  const auto count = static_cast<double>(rows);
  return {std::sqrt(ratio), 4 * (2 * spread + 0.25 * count) / (count * count)};
}

void require_memory_for_connectivity(const Communicator& comm, Index rows, Index replicates) {
  const auto count = static_cast<double>(rows);
  const double needed = 4 * count * (count - 1) + 4 * count * static_cast<double>(replicates);
  const double free = -comm.max(-static_cast<double>(available_memory(comm)));
  if (needed <= free) return;
  throw AgreedError(
      fmt::format("the connectivity of {} rows needs {:.3g} GB, {:.3g} GB are free: fewer rows tell as much (option "
                  "'--connectivity-rows')",
                  rows, needed / 1e9, free / 1e9));
}

void measure_connectivity(const Communicator& comm, const ReplicateStore& store, Index k_number,
                          MeasuresOfK& measures) {
  const StoreLayout& layout = store.layout();
  if (layout.labelled_rows == 0) return;
  std::array<double, 2> found{};
  comm.agree([&] {
    if (!comm.is_root()) return;
    std::vector<std::int32_t> labels(at(layout.replicates * layout.labelled_rows));
    for (Index r = 0; r < layout.replicates; ++r)
      store.read_labels(k_number * layout.replicates + r,
                        std::span(labels).subspan(at(r * layout.labelled_rows), at(layout.labelled_rows)));
    const Connectivity connectivity = connectivity_of(labels, layout.labelled_rows);
    found = {connectivity.cophenetic, connectivity.dispersion};
  });
  comm.broadcast(std::span<double>(found));
  measures.cophenetic = found[0];
  measures.dispersion = found[1];
}

template std::vector<std::int32_t> labels_of(const Communicator&, const RowPartition&, const Matrix<float>&,
                                             std::span<const Index>);
template std::vector<std::int32_t> labels_of(const Communicator&, const RowPartition&, const Matrix<double>&,
                                             std::span<const Index>);

}  // namespace scanmf
