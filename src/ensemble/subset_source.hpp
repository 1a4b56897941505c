#pragma once

#include <vector>

#include "data/wrapped_source.hpp"

namespace scanmf {

/// Which fold each row and each column of X belongs to, replicated.
struct Folds {
  Index count = 0;
  std::vector<std::int8_t> of_row;
  std::vector<std::int8_t> of_column;

  /// Permutations of numpy's legacy stream, rows first: row i belongs to fold permutation[i] mod count.
  static Folds draw(std::uint32_t random_state, const Shape& shape, Index count);
};

/// Rows of one fold, or all the others; columns likewise.
struct FoldSelection {
  Index row_fold = 0;
  bool rows_of_fold = true;
  Index column_fold = 0;
  bool columns_of_fold = true;

  bool has_row(std::int8_t fold) const { return (fold == row_fold) == rows_of_fold; }
  bool has_column(std::int8_t fold) const { return (fold == column_fold) == columns_of_fold; }
};

/// What is known of X fold by fold, the same on every rank: count × count numbers, row folds first. Elements that are
/// not observed add nothing to the sums.
struct FoldSummaries {
  std::vector<double> sum;
  std::vector<Index> positive;
  std::vector<Index> stored;
};
/// Collective. Reads X once.
template <Scalar T>
FoldSummaries summarise_folds(DataSource<T>& x, const Folds& folds);

/// Some rows and columns of another source, by index sets: each visit takes them out of the other one's blocks, a few
/// tiles at a time. X is not copied. The other source has one batch; each rank has those of its rows that are chosen.
template <Scalar T>
class SubsetSource final : public data::WrappedSource<T> {
 public:
  /// Collective. What is referred to must outlive it. Throws AgreedError when nothing is chosen.
  SubsetSource(DataSource<T>& whole, const Folds& folds, const FoldSummaries& summaries,
               const FoldSelection& selection);

  Shape shape() const override { return shape_; }
  const RowPartition& partition() const override { return *partition_; }
  const DataSummary& summary() const override { return summary_; }
  void visit(Index batch, const typename DataSource<T>::Visitor& visitor) override;
  /// Who needs what is observed has it counted (subset_of).
  const Observation* observation() const override { return nullptr; }

 private:
  class Rows;
  void make_partition();

  const Folds& folds_;
  FoldSelection selection_;
  std::vector<std::int32_t> new_column_;  // of each column of the other source; −1: not chosen
  Shape shape_;
  DataSummary summary_;
  std::unique_ptr<RowPartition> partition_;
};

/// Collective. The same with what of it is observed. Rows and columns of which nothing is are kept: their factors are
/// 0. Errors: as of SubsetSource.
template <Scalar T>
std::unique_ptr<DataSource<T>> subset_of(DataSource<T>& whole, const Folds& folds, const FoldSummaries& summaries,
                                         const FoldSelection& selection);

}  // namespace scanmf
