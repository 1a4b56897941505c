#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "scanmf/core/team.hpp"
#include "scanmf/linalg/observed_grams.hpp"
#include "scanmf/linalg/strata_sums.hpp"

namespace scanmf {

/// Gram matrices of the columns of X, each in GramLayout. Empty ones are zero, which is written when somebody asks.
template <Scalar T>
class ColumnGramSums {
 public:
  ColumnGramSums(Index columns, Index components);
  /// Adds others, which are empty afterwards. Threads share the work.
  void add(ColumnGramSums& other);
  void clear() { is_empty_ = true; }
  /// For who writes all of them.
  MatrixView<T> to_fill();
  std::span<T> all();

 private:
  Matrix<T> sums_;
  bool is_empty_ = true;
};

/// Sums Σ s_i·w_i·w_iᵀ over the rows i in which column j of X is observed, for every column: within a stratum over
/// these rows, or over all less the others, whichever are fewer; strata by the tree, a column's of all strata of a
/// block one after the other, so that they stay in the cache. The rows of W that a pass accumulates are kept until
/// their stratum is complete.
///
///   begin()
///   begin_block(), keep() for its tiles by any thread, end_block()     every block, of one batch
///   end()                                                              sums() are those of this rank's strata
template <Scalar T>
class ColumnGrams {
 public:
  void begin(Index columns, Index components, const Strata& strata);
  void begin_block(const Block<T>& block);
  /// w: the tile's rows of W, from row `row` of the block on.
  void keep(const TileView<T>& x, Index row, MatrixView<const T> w);
  void end_block(const Team& team, const Block<T>& block);
  void end(const Team& team);

  const TreeSum<ColumnGramSums<T>>& sums() const { return sums_.tree(); }

  /// Rows of a stratum, of those that are kept, and its tiles in the block.
  struct Part {
    Index stratum = 0;
    Range rows;
    Range tiles;
  };
  /// What is listed of some columns: numbers of rows that are kept.
  using Lists = std::vector<std::vector<std::int32_t>>;

 private:
  std::vector<Part> parts_of(const Block<T>& block) const;
  /// What is listed of some columns in some tiles is added to lists, one a column, as numbers from `first` on.
  void list(const Block<T>& block, Range tiles, Range columns, Index first, Lists& lists) const;
  /// Strata that are complete. block: null where they have no tiles in any.
  void sum_up(const Team& team, const Block<T>* block, const std::vector<Part>& parts);
  void wait(const Block<T>& block, const Part& part);

  Index columns_ = 0;
  Index components_ = 0;
  Matrix<T> w_;                      // rows that are kept, padded
  Matrix<T> weighted_;               // the same times their weights, where rows have some
  std::vector<std::uint64_t> bits_;  // of a dense block: what is observed, a strip of columns after the other
  Index block_rows_ = 0;
  bool has_weights_ = false;
  bool lists_missing_ = true;  // lists are of what is missing, else of what is observed
  Index waiting_ = 0;          // rows of a stratum that goes on in the next block
  Index waiting_stratum_ = 0;
  Lists of_waiting_;  // of all columns
  StrataSums<ColumnGramSums<T>> sums_;
};

/// Bytes of such sums of n columns.
double column_gram_bytes(Index columns, Index components, DataType type);

}  // namespace scanmf
