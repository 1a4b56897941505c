#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/at.hpp"
#include "ensemble/assignment.hpp"
#include "ensemble/clusters.hpp"
#include "scanmf/core/team.hpp"

namespace scanmf {
namespace {

constexpr int most_rounds = 100;

/// How good clusters are: how many there are, then how well they are told apart.
std::pair<Index, double> quality_of(const std::vector<Index>& labels, const std::vector<double>& silhouettes, Index k) {
  std::vector<char> is_used(at(k), 0);
  for (const Index c : labels) is_used[at(c)] = 1;
  return {std::ranges::count(is_used, 1), std::accumulate(silhouettes.begin(), silhouettes.end(), 0.0)};
}

}  // namespace

std::vector<Index> Clustering::match(const std::vector<Index>& group) const {
  LegacyRandom random(seed_of_starts);
  std::vector<Index> best;
  std::pair<Index, double> best_quality;
  for (int start = 0; start < starts; ++start) {
    std::vector<Index> set(at(points_.count), -1);
    const std::vector<Index> first = plus_plus(random);
    for (Index c = 0; c < k_; ++c) set[at(first[at(c)])] = c;
    std::vector<Index> labels;
    for (int round = 0; round < most_rounds; ++round) {
      std::vector<Index> next = matched_to(centres_of(std::move(set)), group);
      set = next;
      if (next == labels) break;
      labels = std::move(next);
    }
    const auto quality = quality_of(labels, silhouettes(labels, Distance::cosine), k_);
    if (start > 0 && quality <= best_quality) continue;
    best = std::move(labels);
    best_quality = quality;
  }
  return best;
}

std::vector<Index> Clustering::matched_to(const Centres& centres, const std::vector<Index>& group) const {
  std::vector<Range> groups;  // of this rank's points
  for (Index i = rows_.begin; i < rows_.end; ++i) {
    if (i == rows_.begin || group[at(i)] != group[at(i - 1)]) groups.push_back({i, i});
    groups.back().end = i + 1;
  }
  std::vector<Index> labels(at(points_.count));
  Team().for_each(static_cast<Index>(groups.size()), [&](Index g) {
    const Range points = groups[at(g)];
    Matrix<double> cosines(points.size(), k_);
    for (Index i = 0; i < points.size(); ++i)
      for (Index c = 0; c < k_; ++c)
        cosines(i, c) = centres.square[at(c)] > 0
                            ? centres.sums(points.begin - rows_.begin + i, c) / std::sqrt(centres.square[at(c)])
                            : 0;
    std::ranges::copy(best_assignment(std::as_const(cosines).view()), labels.begin() + points.begin);
  });
  comm_.allgather(std::span(labels), points_.bounds);
  return labels;
}

}  // namespace scanmf
