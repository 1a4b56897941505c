#include "ensemble/clusters.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "core/at.hpp"
#include "ensemble/spectra.hpp"
#include "scanmf/core/team.hpp"
#include "scanmf/parallel/ordered_sum.hpp"

namespace scanmf {
namespace {

// Of scikit-learn's KMeans.
constexpr int most_iterations = 300;
constexpr double relative_tolerance = 1e-4;

/// Whether two labelings are the same but for the clusters' numbers.
bool is_same_clustering(const std::vector<Index>& a, const std::vector<Index>& b, Index k) {
  std::vector<Index> meaning(at(k), -1);
  for (std::size_t i = 0; i < a.size(); ++i) {
    Index& known = meaning[at(a[i])];
    if (known < 0) known = b[i];
    if (known != b[i]) return false;
  }
  return true;
}

}  // namespace

Clustering::Clustering(const Communicator& comm, UnitPoints points, Index k)
    : comm_(comm), points_(std::move(points)), rows_(points_.rows(comm)), k_(k) {}

Clusters Clustering::k_means() const {
  LegacyRandom random(seed_of_starts);
  const double limit = tolerance();
  Clusters best;
  for (int start = 0; start < starts; ++start) {
    Clusters found = lloyd(plus_plus(random), limit);
    const bool better = found.inertia < best.inertia && !is_same_clustering(found.labels, best.labels, k_);
    if (start == 0 || better) best = std::move(found);
  }
  return best;
}

double Clustering::tolerance() const {
  double sum = 0;  // of all products: the squared length of the sum of all points
  for (Index i = 0; i < rows_.size(); ++i)
    sum = std::accumulate(points_.products.row(i), points_.products.row(i) + points_.count, sum);
  const auto count = static_cast<double>(points_.count);
  const double variance = 1 - comm_.sum(sum) / (count * count);
  return relative_tolerance * std::max(0.0, variance) / static_cast<double>(points_.dimensions);
}

std::vector<double> Clustering::distances_to(Index centre) const {
  std::vector<double> distances(at(points_.count));
  for (Index i = 0; i < rows_.size(); ++i)
    distances[at(rows_.begin + i)] = rows_.begin + i == centre ? 0 : std::max(0.0, 2 - 2 * points_.products(i, centre));
  comm_.allgather(std::span(distances), points_.bounds);
  return distances;
}

/// Arthur & Vassilvitskii 2007, with several candidates for each centre.
std::vector<Index> Clustering::plus_plus(LegacyRandom& random) const {
  const int trials = 2 + static_cast<int>(std::log(static_cast<double>(k_)));
  std::vector<Index> centres{static_cast<Index>(random.below_or_equal(static_cast<std::uint32_t>(points_.count - 1)))};
  std::vector<double> closest = distances_to(centres.front());
  double potential = std::accumulate(closest.begin(), closest.end(), 0.0);
  while (static_cast<Index>(centres.size()) < k_) {
    std::vector<double> cumulative(closest.size());
    std::partial_sum(closest.begin(), closest.end(), cumulative.begin());
    Index best = -1;
    double best_potential = std::numeric_limits<double>::infinity();
    std::vector<double> best_closest;
    std::vector<double> draws(static_cast<std::size_t>(trials));
    for (double& draw : draws) draw = random.uniform() * potential;
    for (const double draw : draws) {
      const auto found = std::ranges::lower_bound(cumulative, draw) - cumulative.begin();
      const Index candidate = std::min<Index>(found, points_.count - 1);
      std::vector<double> distances = distances_to(candidate);
      std::ranges::transform(distances, closest, distances.begin(), [](double a, double b) { return std::min(a, b); });
      const double sum = std::accumulate(distances.begin(), distances.end(), 0.0);
      if (best >= 0 && !(sum < best_potential)) continue;
      best = candidate;
      best_potential = sum;
      best_closest = std::move(distances);
    }
    centres.push_back(best);
    potential = best_potential;
    closest = std::move(best_closest);
  }
  return centres;
}

Centres Clustering::centres_of(std::vector<Index> set) const {
  Centres centres{std::move(set), std::vector<double>(at(k_), 0), Matrix<double>(rows_.size(), k_, 0),
                  std::vector<double>(at(k_), 0)};
  for (const Index c : centres.set)
    if (c >= 0) ++centres.size[at(c)];
  Team().for_each(rows_.size(), [&](Index i) {
    const double* const products = points_.products.row(i);
    double* const sums = centres.sums.row(i);
    for (Index j = 0; j < points_.count; ++j)
      if (const Index c = centres.set[at(j)]; c >= 0) sums[c] += products[j];
  });
  centres.square = products_within(centres.set, centres.sums);
  return centres;
}

std::vector<double> Clustering::products_within(const std::vector<Index>& set, const Matrix<double>& sums) const {
  std::vector<ExactSum> products(at(k_));
  for (Index i = 0; i < rows_.size(); ++i)
    if (const Index c = set[at(rows_.begin + i)]; c >= 0) products[at(c)].add(sums(i, c));
  return exact_sums(comm_, products);
}

void Clustering::nearest(const Centres& centres, std::vector<Index>& labels, std::vector<double>& distances) const {
  Team().for_each(rows_.size(), [&](Index i) {
    Index best = 0;
    double least = std::numeric_limits<double>::infinity();
    for (Index c = 0; c < k_; ++c) {
      const double size = centres.size[at(c)];
      if (size == 0) continue;
      const double distance = 1 - 2 * centres.sums(i, c) / size + centres.square[at(c)] / (size * size);
      if (distance >= least) continue;
      least = distance;
      best = c;
    }
    labels[at(rows_.begin + i)] = best;
    distances[at(rows_.begin + i)] = std::max(0.0, least);
  });
  comm_.allgather(std::span(labels), points_.bounds);
  comm_.allgather(std::span(distances), points_.bounds);
}

double Clustering::shift(const Centres& before, const Centres& after) const {
  const std::vector<double> products = products_within(after.set, before.sums);
  double sum = 0;
  for (std::size_t c = 0; c < products.size(); ++c) {
    const double a = before.size[c];
    const double b = after.size[c];
    if (a > 0 && b > 0)
      sum += std::max(0.0, before.square[c] / (a * a) + after.square[c] / (b * b) - 2 * products[c] / (a * b));
  }
  return sum;
}

void Clustering::fill_empty(std::vector<Index>& set, const std::vector<double>& distances) const {
  std::vector<Index> sizes(at(k_), 0);
  for (const Index c : set) ++sizes[at(c)];
  if (std::ranges::find(sizes, 0) == sizes.end() || std::ranges::max(distances) == 0) return;
  std::vector<Index> farthest(set.size());
  std::iota(farthest.begin(), farthest.end(), Index{0});
  std::ranges::stable_sort(farthest, [&](Index a, Index b) { return distances[at(a)] > distances[at(b)]; });
  auto next = farthest.begin();
  for (Index c = 0; c < k_; ++c)
    if (sizes[at(c)] == 0) set[at(*next++)] = c;
}

Clusters Clustering::lloyd(std::vector<Index> start, double limit) const {
  std::vector<Index> set(at(points_.count), -1);
  for (Index c = 0; c < k_; ++c) set[at(start[at(c)])] = c;
  Centres centres = centres_of(std::move(set));
  Clusters clusters;
  clusters.labels.resize(at(points_.count));
  std::vector<double> distances(at(points_.count));
  std::vector<Index> labels_before;
  bool settled = false;
  for (int iteration = 0; iteration < most_iterations; ++iteration) {
    nearest(centres, clusters.labels, distances);
    std::vector<Index> next_set = clusters.labels;
    fill_empty(next_set, distances);
    Centres next = centres_of(std::move(next_set));
    const double moved = shift(centres, next);
    centres = std::move(next);
    settled = clusters.labels == labels_before;
    if (settled || moved <= limit) break;
    labels_before = clusters.labels;
  }
  // With the last centres; where nothing moves any more, labels stay what they are.
  nearest(centres, clusters.labels, distances);
  clusters.inertia = std::accumulate(distances.begin(), distances.end(), 0.0);
  return clusters;
}

std::vector<double> Clustering::silhouettes(const std::vector<Index>& labels, Distance distance) const {
  const auto distance_between = [&](double product) {
    return distance == Distance::cosine ? std::max(0.0, 1 - product) : distance_of(product);
  };
  std::vector<double> sizes(at(k_), 0);
  for (const Index c : labels) ++sizes[at(c)];
  std::vector<double> result(at(points_.count), 0);
  Team().for_each(rows_.size(), [&](Index i) {
    const Index own = labels[at(rows_.begin + i)];
    if (sizes[at(own)] < 2) return;
    std::vector<double> sums(at(k_), 0);
    for (Index j = 0; j < points_.count; ++j)
      if (j != rows_.begin + i) sums[at(labels[at(j)])] += distance_between(points_.products(i, j));
    const double within = sums[at(own)] / (sizes[at(own)] - 1);
    double outside = std::numeric_limits<double>::infinity();
    for (Index c = 0; c < k_; ++c)
      if (c != own && sizes[at(c)] > 0) outside = std::min(outside, sums[at(c)] / sizes[at(c)]);
    const double larger = std::max(within, outside);
    if (larger > 0 && std::isfinite(outside)) result[at(rows_.begin + i)] = (outside - within) / larger;
  });
  comm_.allgather(std::span(result), points_.bounds);
  return result;
}

std::vector<double> cluster_means(const std::vector<double>& values, const std::vector<Index>& labels, Index k) {
  std::vector<double> sums(at(k), 0);
  std::vector<double> sizes(at(k), 0);
  for (std::size_t i = 0; i < values.size(); ++i) {
    sums[at(labels[i])] += values[i];
    ++sizes[at(labels[i])];
  }
  for (std::size_t c = 0; c < sums.size(); ++c) sums[c] /= sizes[c];
  return sums;
}

}  // namespace scanmf
