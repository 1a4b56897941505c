#pragma once

#include <vector>

#include "scanmf/core/team.hpp"
#include "scanmf/data/data_source.hpp"
#include "scanmf/linalg/operations.hpp"

namespace scanmf {

/// Products of X with matrices of `width` columns, each in one pass over X. Right factors (n × width) are replicated,
/// left ones (blocks) have this rank's rows of X in the order of the partition, and may have more rows than that.
///
/// Tile j of a batch belongs to thread j mod T, so the same P and T give the same bits.
template <Scalar T>
class Passes {
 public:
  Passes(DataSource<T>& source, Index width);

  /// Collective. block = X · right.
  void multiply(const Matrix<T>& right, Matrix<T>& block);
  /// Collective. Xᵀ · block (n × width), this rank's term of the sum over all ranks.
  Matrix<T> multiply_transposed(const Matrix<T>& block);
  /// Collective. Xᵀ · X · right (n × width), this rank's term of the sum over all ranks; X · right is not kept.
  Matrix<T> multiply_gram(const Matrix<T>& right);

 private:
  /// One pass. visit_tile(tile, its first local row, number of the thread) is called for every tile.
  template <class VisitTile>
  void pass(VisitTile&& visit_tile);
  void clear_sums();
  Matrix<T> sum_of_threads();

  DataSource<T>& source_;
  Index width_;
  RightFactor<T> right_;
  Team team_;
  // One a thread:
  std::vector<Accumulator<T>> sums_;
  std::vector<Workspace<T>> work_;
  std::vector<Buffer<T>> rows_;  // a tile's rows of X · right
};

}  // namespace scanmf
