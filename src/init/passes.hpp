#pragma once

#include <memory>
#include <vector>

#include "scanmf/core/team.hpp"
#include "scanmf/data/data_source.hpp"
#include "scanmf/linalg/operations.hpp"
#include "scanmf/linalg/strata_sums.hpp"

namespace scanmf {

/// Products of X with matrices of `width` columns, each in one pass over X. Right factors (n × width) are replicated,
/// left ones (blocks) have this rank's rows of X in the order of the partition, and may have more rows than that.
///
/// Sums over rows are formed stratum by stratum, so that they have the same bits for any ranks and threads.
template <Scalar T>
class Passes {
 public:
  Passes(DataSource<T>& source, Index width);

  /// Collective. block = X · right.
  void multiply(const Matrix<T>& right, Matrix<T>& block);
  /// Collective. Xᵀ · block (n × width), replicated.
  Matrix<T> multiply_transposed(const Matrix<T>& block);
  /// Collective. Xᵀ · X · right (n × width), replicated; X · right is not kept.
  Matrix<T> multiply_gram(const Matrix<T>& right);

 private:
  struct Sum {
    void add(Sum& other) { xtw.take_from(other.xtw); }
    void clear() { xtw.set_zero(); }
    Accumulator<T> xtw;
  };
  /// One pass. visit_tile(tile, its place, its first local row, number of the thread) is called for every tile.
  template <class VisitTile>
  void pass(VisitTile&& visit_tile);
  /// The same with sums: add_tile(tile, its first local row, number of the thread, their stratum's sum).
  template <class AddTile>
  Matrix<T> sum_over_tiles(AddTile&& add_tile);
  std::unique_ptr<Sum> new_sum() const;

  DataSource<T>& source_;
  Index width_;
  RightFactor<T> right_;
  Team team_;
  StrataSums<Sum> sums_;
  // One a thread:
  std::vector<Workspace<T>> work_;
  std::vector<Buffer<T>> rows_;  // a tile's rows of X · right
};

}  // namespace scanmf
