#pragma once

#include <vector>

#include "scanmf/data/data_source.hpp"

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

/// What is known of X fold by fold, the same on every rank: count × count numbers, row folds first.
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
class SubsetSource final : public DataSource<T> {
 public:
  /// Collective. What is referred to must outlive it. Throws AgreedError when nothing is chosen, and where several
  /// ranks have no chosen rows.
  SubsetSource(DataSource<T>& whole, const Folds& folds, const FoldSummaries& summaries,
               const FoldSelection& selection);

  Shape shape() const override { return shape_; }
  StorageKind kind() const override { return whole_.kind(); }
  const RowPartition& partition() const override { return *partition_; }
  const Communicator& communicator() const override { return whole_.communicator(); }
  const DataSummary& summary() const override { return summary_; }
  void visit(Index batch, const typename DataSource<T>::Visitor& visitor) override;
  Index bytes() const override { return whole_.bytes(); }
  double seconds_waited() const override { return whole_.seconds_waited(); }
  bool exchanges() const override { return whole_.exchanges(); }
  ExchangeCost exchange_cost() const override { return whole_.exchange_cost(); }
  Index chunks_inflated() const override { return whole_.chunks_inflated(); }
  bool in_memory() const override { return whole_.in_memory(); }

 private:
  class Rows;
  void make_partition();

  DataSource<T>& whole_;
  const Folds& folds_;
  FoldSelection selection_;
  std::vector<std::int32_t> new_column_;  // of each column of the other source; −1: not chosen
  std::vector<Index> columns_;            // that are chosen
  Shape shape_;
  DataSummary summary_;
  std::unique_ptr<RowPartition> partition_;
};

}  // namespace scanmf
