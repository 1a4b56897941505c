#pragma once

#include <span>
#include <vector>

#include "scanmf/core/team.hpp"
#include "scanmf/solver/loss.hpp"

namespace scanmf {

/// The H that stays while rows of W are visited: prepared for the kernels, and the sums that the loss asks for.
/// Replicated.
template <Scalar T>
class FixedH {
 public:
  FixedH(const Loss& loss, StorageKind kind, Index columns, Index components);

  /// What set needs of some rows of Ht, a node of sum_over_columns, is added to size_of_sums() zeros: ‖H‖², the sum of
  /// H, then the factor sums. By any thread of a team.
  void add_sums(int thread, MatrixView<const T> ht_rows, Index group, double* sums);
  /// Ht: n × k; sums: those of all its rows, by the tree of groups of columns. Threads share the work.
  void set(const Matrix<T>& Ht, std::span<const double> sums);

  std::size_t size_of_sums() const { return sums_.size(); }

  const RightFactor<T>& factor() const { return factor_; }
  double norm_squared() const { return sums_[0]; }
  double sum() const { return sums_[1]; }
  std::span<const double> factor_sums() const { return std::span(sums_).subspan(2); }

 private:
  FactorSums kind_;
  bool with_gram_;
  bool exact_;
  RightFactor<T> factor_;
  std::vector<double> sums_;
  Team team_;
  std::vector<Workspace<T>> work_;             // one a thread
  std::vector<Workspace<double>> exact_work_;  // likewise
};

}  // namespace scanmf
