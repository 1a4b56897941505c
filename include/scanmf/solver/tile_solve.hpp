#pragma once

#include <vector>

#include "scanmf/linalg/tile_loop.hpp"
#include "scanmf/solver/tile_work.hpp"

namespace scanmf {

/// How tiles are solved to their end.
struct SolveOptions {
  Index rows = 0;            // rows of X, of all ranks
  Index evaluate_every = 0;  // D after so many updates, and of the start; 0: never
  bool change = false;       // ‖W_new − W_old‖² of every update
};

/// The second of two schedules, for W alone with H fixed: each tile is solved to its end before the next one, so that X
/// is read once, and W need not be kept. The sums that passes would have had are kept by thread and update, for a stop
/// rule that looks at all rows: the same to the bit.
template <Scalar T>
class TileSolve {
 public:
  /// solver: with its H; owned by the caller.
  explicit TileSolve(RowSolver<T>& solver);

  void begin(const SolveOptions& options);
  /// w: the block's rows of W as they start, updated `updates` times in place.
  void solve(const Block<T>& block, MatrixView<T> w, Index updates);

  /// Makes totals() what they would be on this rank after update number `update` (from 1 on), or after the evaluation
  /// of the W that so many updates have made (from 0 on, multiples of evaluate_every).
  void recall_update(Index update) { recall(&ThreadState::updates, update - 1); }
  void recall_evaluation(Index updates) { recall(&ThreadState::evaluations, updates / options_.evaluate_every); }

  const RowSolver<T>& solver() const { return solver_; }
  Totals& totals() { return totals_; }
  /// D of the recalled evaluation, from the totals over all ranks.
  double divergence() const;

 private:
  struct ThreadState {
    TileScratch<T> scratch;
    Workspace<T> projection;          // X·Hᵀ of the tile
    std::vector<Totals> updates;      // of each update, of all tiles so far
    std::vector<Totals> evaluations;  // of each evaluation
  };
  void solve_tile(const TileView<T>& x, MatrixView<T> w, Index updates, ThreadState& state);
  void recall(std::vector<Totals> ThreadState::*totals, Index number);

  RowSolver<T>& solver_;
  Team team_;
  SolveOptions options_;
  Totals totals_;
  std::vector<ThreadState> threads_;
};

}  // namespace scanmf
