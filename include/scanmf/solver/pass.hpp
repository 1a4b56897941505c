#pragma once

#include <vector>

#include "scanmf/linalg/column_grams.hpp"
#include "scanmf/linalg/strata_sums.hpp"
#include "scanmf/solver/extrapolation.hpp"
#include "scanmf/solver/factor_update.hpp"
#include "scanmf/solver/tile_work.hpp"

namespace scanmf {

/// Rows of W that a pass updates or only looks at.
template <Scalar T>
class RowsOfW {
 public:
  RowsOfW(MatrixView<T> to_update) : rows_(to_update), written_(to_update.data), are_updated_(true) {}
  RowsOfW(MatrixView<const T> to_look_at) : rows_(to_look_at) {}
  /// Of extrapolated updates: the accepted W, and the one before it, which becomes the new one.
  RowsOfW(MatrixView<const T> accepted, MatrixView<T> before)
      : rows_(accepted), written_(before.data), are_updated_(true), are_extrapolated_(true) {}

  /// The same on all ranks, those without rows included.
  bool are_updated() const { return are_updated_; }
  bool are_extrapolated() const { return are_extrapolated_; }
  MatrixView<const T> rows() const { return rows_; }
  MatrixView<T> to_update() const { return {written_, rows_.rows, rows_.columns, rows_.stride}; }
  RowsOfW middle_rows(Range range) const {
    if (!are_updated_) return rows_.middle_rows(range);
    if (are_extrapolated_) return {rows_.middle_rows(range), to_update().middle_rows(range)};
    return to_update().middle_rows(range);
  }

 private:
  MatrixView<const T> rows_;
  T* written_ = nullptr;
  bool are_updated_ = false;
  bool are_extrapolated_ = false;
};

/// What a pass over X does beside one update of the rows of W.
struct PassOptions {
  Index rows = 0;  // rows of the pass, of all ranks
  Strata strata = {};
  bool update_W = true;     // false: W is looked at only
  bool accumulate = true;   // statistics for the update of H, with the new W
  bool divergence = false;  // sum of D's terms for the new W and this H
  bool change = false;      // ‖W_new − W_old‖² of the rows
  Momentum momentum = {};  // of extrapolated updates, whose D and norms are those of W_n, whose statistics those of W_y
};

/// What a pass sums over some tiles.
template <Scalar T>
struct PassSums {
  explicit PassSums(Index factor_sums) : totals(factor_sums) {}
  /// Adds other sums, which are zero afterwards.
  void add(PassSums& other);
  void clear();

  bool with_statistics = false;  // else the next two are zero
  Accumulator<T> numerator;
  Accumulator<T> denominator;  // where the loss has one
  Totals totals;
};

/// The first of two schedules: all rows of X are visited once, in any blocks, and each row of W is updated once.
///
///   begin()                               every rank the same
///   begin_block(), end_block()            around the tiles of a block
///   visit_tile(thread, place, tile, W …)  every tile of this rank, those of a stratum in their order
///   end()                                 sums() are those of this rank's strata, nodes of the tree of all; the caller
///                                         sums them over ranks, and set_totals, totals and statistics are then of all
///
/// It knows neither where X comes from nor how ranks talk; estimator/pass_runner.hpp is who calls it when.
template <Scalar T>
class Pass {
 public:
  /// solver: with its H; owned by the caller.
  explicit Pass(RowSolver<T>& solver);

  const RowSolver<T>& solver() const { return solver_; }
  RowSolver<T>& solver() { return solver_; }
  const Team& team() const { return team_; }

  void begin(const PassOptions& options);
  /// False when this pass can do without X: it updates W alone and X·Hᵀ is known. Then visit_without_X takes the place
  /// of the tiles.
  bool needs_X() const;
  void begin_block(const Block<T>& block);
  void end_block(const Block<T>& block);
  /// w: the tile's rows of W, which begin at `local_row` of this rank's.
  void visit_tile(int thread, const TilePlace& place, const TileView<T>& x, const RowsOfW<T>& w, Index local_row);
  /// rows: a block whose elements are not looked at; w: its rows of W.
  void visit_without_X(const Block<T>& rows, const RowsOfW<T>& w);
  void end();

  /// For solving for W alone with a loss without weights: X·Hᵀ of every row of this rank is kept from the first pass
  /// on, until H changes.
  void keep_projections(Index local_rows);

  const PassOptions& options() const { return options_; }
  const TreeSum<PassSums<T>>& sums() const { return sums_.tree(); }
  const TreeSum<ColumnGramSums<T>>& column_grams() const { return column_grams_.sums(); }
  /// Of all ranks, once they are known.
  Totals& totals() { return totals_; }
  const Totals& totals() const { return totals_; }
  /// Room for statistics of all ranks, as far as this one needs them; rows are columns of X. Numerator (n × k):
  MatrixView<T> numerator();
  MatrixView<T> denominator();  // the same, where the loss has one, else nothing
  MatrixView<T> grams();        // n × GramLayout(k).size(), likewise
  /// These and the totals, as an update of H takes them.
  Statistics<T> summed() const;
  /// D of the pass, from the totals over all ranks.
  double divergence() const;

 private:
  std::unique_ptr<PassSums<T>> new_sums() const;
  /// Of the stratum that a tile belongs to.
  PassSums<T>& sums_at(const TilePlace& place);
  void prepare(PassSums<T>& sums) const;
  Projection<T> projection(Index local_row, Index rows, TileScratch<T>& scratch);
  bool sums_column_grams() const { return options_.accumulate && solver_.loss.observed_grams; }
  bool projections_are_known() const { return known_version_ == solver_.version; }

  RowSolver<T>& solver_;
  Team team_;
  PassOptions options_;
  Matrix<T> kept_projections_;
  Index known_version_ = -1;  // of the H that they belong to
  Totals totals_;
  Matrix<T> numerator_;
  Matrix<T> denominator_;
  Matrix<T> grams_;
  std::vector<TileScratch<T>> threads_;
  StrataSums<PassSums<T>> sums_;
  ColumnGrams<T> column_grams_;
};

}  // namespace scanmf
