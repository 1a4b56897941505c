#pragma once

#include <vector>

#include "scanmf/core/random.hpp"
#include "scanmf/linalg/matrix.hpp"
#include "scanmf/parallel/communicator.hpp"

namespace scanmf {

/// Points of length 1, known by their inner products alone: each rank has the rows of its points.
struct UnitPoints {
  MatrixView<const double> products;  // rows × count
  std::vector<Index> bounds;          // of ranks
  Index count = 0;
  Index dimensions = 0;

  Range rows(const Communicator& comm) const {
    const auto rank = static_cast<std::size_t>(comm.rank());
    return {bounds[rank], bounds[rank + 1]};
  }
};

/// Means of sets of points.
struct Centres {
  std::vector<Index> set;      // of each point; −1: of none. Replicated
  std::vector<double> size;    // points of each
  Matrix<double> sums;         // this rank's points × k: inner products with the sum of each set
  std::vector<double> square;  // of the length of each sum, replicated
};

/// Which points belong together.
struct Clusters {
  std::vector<Index> labels;  // of each point, replicated
  double inertia = 0;         // sum of squared distances to the centres
};

/// Between points of length 1: the Euclidean one, or 1 − their product.
enum class Distance { euclidean, cosine };

/// k-means and its quality in the space of inner products: a distance to a mean of points is a sum of their products,
/// O(N²) an iteration whatever the dimensions. Collective, but for the getters; every rank has the same result.
class Clustering {
 public:
  Clustering(const Communicator& comm, UnitPoints points, Index k);

  /// Lloyd's method from 10 starts of k-means++, the best inertia; draws, tolerance, empty clusters and ties are
  /// scikit-learn's (KMeans(k, n_init=10, random_state=1)).
  Clusters k_means() const;

  /// Instead, points of one group have clusters of their own: each group's are matched one to one to the centres by the
  /// largest sum of cosines (Hungarian method), until nothing changes or 100 rounds are done; from the same 10 starts
  /// the best mean silhouette with cosine distances. group: of each point, ascending; none is on several ranks or
  /// larger than k. Returns labels, replicated.
  std::vector<Index> match(const std::vector<Index>& group) const;

  /// Of each point, replicated. A point alone in its cluster has 0.
  std::vector<double> silhouettes(const std::vector<Index>& labels, Distance distance) const;

 private:
  // Of scikit-learn's KMeans.
  static constexpr int starts = 10;
  static constexpr std::uint32_t seed_of_starts = 1;

  Centres centres_of(std::vector<Index> set) const;
  std::vector<Index> plus_plus(LegacyRandom& random) const;
  Clusters lloyd(std::vector<Index> start, double tolerance) const;
  /// The clusters of the points, those of each group matched to the centres; replicated.
  std::vector<Index> matched_to(const Centres& centres, const std::vector<Index>& group) const;
  /// Squared distance of each point to its nearest centre, and which one it is; replicated.
  void nearest(const Centres& centres, std::vector<Index>& labels, std::vector<double>& distances) const;
  /// Squared distances of all points to point `centre`, replicated.
  std::vector<double> distances_to(Index centre) const;
  /// The square of the way that the centres have moved.
  double shift(const Centres& before, const Centres& after) const;
  /// Collective. Of each set, the sum over its points of their products with it.
  std::vector<double> products_within(const std::vector<Index>& set, const Matrix<double>& sums) const;
  double tolerance() const;
  void fill_empty(std::vector<Index>& set, const std::vector<double>& distances) const;

  const Communicator& comm_;
  UnitPoints points_;
  Range rows_;
  Index k_;
};

/// Mean of the values of each cluster. NaN: of a cluster without points.
std::vector<double> cluster_means(const std::vector<double>& values, const std::vector<Index>& labels, Index k);

}  // namespace scanmf
