#pragma once

#include <vector>

#include "scanmf/linalg/strata_sums.hpp"
#include "scanmf/solver/tile_work.hpp"

namespace scanmf {

/// How tiles are solved to their end.
struct SolveOptions {
  Index rows = 0;  // rows of X, of all ranks
  Strata strata = {};
  Index evaluate_every = 0;  // D after so many updates, and of the start; 0: never
  bool change = false;       // ‖W_new − W_old‖² of every update
};

/// The second of two schedules, for W alone with H fixed: each tile is solved to its end before the next one, so that X
/// is read once, and W need not be kept. The sums that passes would have had are kept for each update, for a stop rule
/// that looks at all rows: the same to the bit.
template <Scalar T>
class TileSolve {
 public:
  /// solver: with its H; owned by the caller.
  explicit TileSolve(RowSolver<T>& solver);

  void begin(const SolveOptions& options);
  /// w: the block's rows of W as they start, updated `updates` times in place.
  void solve(const Block<T>& block, MatrixView<T> w, Index updates);

  /// All strata of this rank have been solved, or all that are asked for.
  void end();

  /// What passes would have summed up to update number `update` (from 1 on), or in the evaluation of the W that so many
  /// updates have made (from 0 on, multiples of evaluate_every): for each node of this rank's strata.
  NodeTotals update(Index update) const { return recall(&Sums::updates, update - 1); }
  NodeTotals evaluation(Index updates) const { return recall(&Sums::evaluations, updates / options_.evaluate_every); }
  /// The same of the tiles so far, before the end, in any order.
  Totals update_so_far(Index update) const { return recall_so_far(&Sums::updates, update - 1); }
  Totals evaluation_so_far(Index updates) const {
    return recall_so_far(&Sums::evaluations, updates / options_.evaluate_every);
  }

  Totals empty_totals() const { return Totals(size_of(solver_.loss.sums, solver_.components)); }
  const RowSolver<T>& solver() const { return solver_; }

 private:
  struct ThreadState {
    TileScratch<T> scratch;
    Workspace<T> projection;  // X·Hᵀ of the tile
  };
  struct Sums {
    void add(Sums& other);
    void clear();
    std::vector<Totals> updates;      // of each update, of all tiles so far
    std::vector<Totals> evaluations;  // of each evaluation
  };
  static std::unique_ptr<Sums> make_sums();
  void solve_tile(const TileView<T>& x, MatrixView<T> w, Index updates, Sums& sums, ThreadState& state);
  NodeTotals recall(std::vector<Totals> Sums::*totals, Index number) const;
  Totals recall_so_far(std::vector<Totals> Sums::*totals, Index number) const;

  RowSolver<T>& solver_;
  Team team_;
  SolveOptions options_;
  std::vector<ThreadState> threads_;
  StrataSums<Sums> sums_;
};

}  // namespace scanmf
