#pragma once

#include <array>
#include <span>
#include <utility>
#include <vector>

#include "scanmf/linalg/operations.hpp"

namespace scanmf {

/// Coefficients of the objective's penalties, scaled as scikit-learn does.
struct Penalties {
  double l1_W = 0;
  double l2_W = 0;
  double l1_H = 0;
  double l2_H = 0;
};

/// l1_W = n·alpha_W·l1_ratio, l2_W = n·alpha_W·(1 − l1_ratio), l1_H and l2_H likewise with alpha_H and the number of samples.
Penalties penalties_of(double alpha_W, double alpha_H, double l1_ratio, Index n_features, Index n_samples);

/// Numbers that a pass sums over rows and ranks, in double. The first three are set by whoever runs the pass: ranks that failed,
/// were asked to stop, want a checkpoint.
enum class PassSum { failed, stop_requested, checkpoint_due, violation, divergence, change_squared, norm_squared, w_sum, count };

/// What a pass over X does with the rows it visits.
struct PassOptions {
  Index rows = 0;           // rows of the pass, of all ranks
  bool update_W = true;     // one update of the rows of W
  bool accumulate = true;   // statistics for the update of H, with the new W
  bool divergence = false;  // sum of D's terms for the new W and the H of begin_pass
  bool change = false;      // ‖W_new − W_old‖² of the rows
};

/// Solving for W alone, each tile to the end before the next one: X is read once, and W need not be kept.
struct SolveOptions {
  Index rows = 0;            // rows of X, of all ranks
  Index evaluate_every = 0;  // D after so many updates, and of the start; 0: never
  bool change = false;       // ‖W_new − W_old‖² of every update
};

/// A solver: how rows of W and slices of H are updated. It knows neither where X comes from nor how ranks talk; see estimator/pass.hpp for who calls
/// it when.
///
///   set_H(Ht), begin_pass()   every rank the same
///   visit(block, W)           every block of this rank, any storage
///   end_pass()                threads' sums become this rank's; small_sums() and large_sums() are then summed over ranks by the caller
///   finish_pass(slice of Ht)  this rank's slice of H
template <Scalar T>
class UpdateRule {
 public:
  UpdateRule(StorageKind kind, Index columns, Index n_components, double beta);
  virtual ~UpdateRule() = default;

  /// The H of the following passes. Ht: n × k, replicated; sums: those of sums_over_H, of all its rows. Threads share the work.
  void set_H(const Matrix<T>& Ht, std::span<const double> sums);
  void set_H(const Matrix<T>& Ht) { set_H(Ht, sums_over_H(Ht.view())); }
  /// What set_H needs of some rows of Ht, to be added up over ranks: ‖H‖², the sum of H, then HHᵀ (k × k, β = 2) or the row sums of H (k, β = 1).
  std::vector<double> sums_over_H(MatrixView<const T> ht_rows);
  double h_norm_squared() const { return h_sums_[0]; }
  double h_sum() const { return h_sums_[1]; }
  void begin_pass(const PassOptions& options);

  /// w: the block's rows of W (rows × k), updated in place.
  void visit(const Block<T>& block, MatrixView<T> w);

  /// False when this pass can do without X: it solves for W alone and X·Hᵀ is known. Then visit_without_X takes the place of visit.
  bool needs_X() const { return options_.accumulate || options_.divergence || !projections_known_ || kept_projections_.columns() == 0; }
  /// w: rows of W from `local_row` on, tiles of `tile_rows` rows, the first one being number `first_tile` of its batch.
  void visit_without_X(Index local_row, Index first_tile, Index tile_rows, MatrixView<T> w);

  /// Sums the threads' statistics, in the order of the threads.
  void end_pass();

  /// The other way of solving for W with H fixed: instead of passes, each of one update of all rows, solve() updates the rows of a block to the end.
  /// The sums that the passes would have had are kept, the same to the bit, for a stop rule that looks at all rows.
  void begin_solve(const SolveOptions& options);
  /// w: the block's rows of W as they start, updated `updates` times in place.
  void solve(const Block<T>& block, MatrixView<T> w, Index updates);
  /// Makes small_sums() what they would be on this rank after update number `update` (from 1 on), or after the evaluation of the W that so many
  /// updates have made (from 0 on, multiples of evaluate_every).
  void recall_update(Index update);
  void recall_evaluation(Index updates);

  /// For solving for W alone with β = 2: X·Hᵀ of every row of this rank is kept from the first pass on and X is not touched again, until set_H.
  void keep_projections(Index local_rows);

  /// PassSum::count sums, then WᵀW (k × k, β = 2) or the column sums of W (k, β = 1): one vector, to be summed over ranks.
  std::span<double> small_sums() { return small_; }
  double beta() const { return beta_; }
  Index components() const { return k_; }
  double sum(PassSum which) const { return small_[static_cast<std::size_t>(which)]; }

  /// n × k statistics to be summed over ranks, rows being columns of X: numerator and, for general β, denominator. Only after a pass that
  /// accumulates.
  std::vector<MatrixView<T>> large_sums();

  /// Updates the columns `slice` of H, with the sums over all ranks. Returns the violation of the slice (0 for multiplicative updates).
  virtual double finish_pass(MatrixView<T> ht_slice, Range slice) = 0;

  /// W · (H Hᵀ) etc. need H; D's closed form needs ⟨WᵀW, HHᵀ⟩ or the sums' product: from small_sums and the H of begin_pass.
  double divergence() const;

 protected:
  struct ThreadState {
    Workspace<T> work;
    Workspace<T> rows;  // P, D and the old W of a tile
    MatrixView<T> p;    // X·Hᵀ of the tile that is being visited, once projection() has been called
    Accumulator<T> numerator;
    Accumulator<T> denominator;
    std::vector<double> small;
    // While a tile is solved to the end:
    Index update = 0;  // number of the update that is being done
    bool projected = false;
    Workspace<T> projection;                       // X·Hᵀ of the tile
    std::vector<std::vector<double>> updates;      // sums of each update, of all tiles so far
    std::vector<std::vector<double>> evaluations;  // of each evaluation
  };

  /// Prepares what the update of W needs beside the RightFactor, from HHᵀ (k × k) and the row sums of H (k).
  virtual void prepare() = 0;
  /// Updates the rows w of a tile, which begins at `local_row` of W. Adds the violation to state.small.
  virtual void update_rows(const DenseTile<T>& x, MatrixView<T> w, Index local_row, ThreadState& state) = 0;
  virtual void update_rows(const CsrTile<T>& x, MatrixView<T> w, Index local_row, ThreadState& state) = 0;

  /// X·Hᵀ of a tile, from the kept ones when there are any.
  template <class Tile>
  MatrixView<T> projection(const Tile& x, Index local_row, ThreadState& state);

  /// True between begin_solve() and the next begin_pass().
  bool is_solving() const { return solving_; }

  /// HHᵀ (β = 2) or the row sums of H (β = 1).
  std::span<const double> h_gram() const { return std::span(h_sums_).subspan(2); }
  double* gram_sums() { return small_.data() + static_cast<std::size_t>(PassSum::count); }
  const double* gram_sums() const { return small_.data() + static_cast<std::size_t>(PassSum::count); }
  static double& sum_in(std::vector<double>& small, PassSum which) { return small[static_cast<std::size_t>(which)]; }

  const StorageKind kind_;
  const Index columns_;
  const Index k_;
  const double beta_;
  RightFactor<T> h_;
  Matrix<T> numerator_;
  Matrix<T> denominator_;

 private:
  template <class Tile>
  void visit_tile(const Tile& x, MatrixView<T> w, Index local_row, const PassOptions& options, ThreadState& state);
  template <class Tile>
  double tile_divergence(const Tile& x, MatrixView<T> w, const PassOptions& options, ThreadState& state);
  template <class Tile>
  void solve_tile(const Tile& x, MatrixView<T> w, Index updates, ThreadState& state);
  void recall(std::vector<std::vector<double>> ThreadState::*sums, Index number);

  bool has_denominator() const { return beta_ != 1 && beta_ != 2; }

  std::vector<double> h_sums_;  // of the H of set_H
  PassOptions options_;
  Matrix<T> kept_projections_;
  bool projections_known_ = false;
  SolveOptions solve_;
  bool solving_ = false;  // tile by tile
  std::vector<double> small_;
  std::vector<ThreadState> threads_;
};

template <Scalar T>
template <class Tile>
MatrixView<T> UpdateRule<T>::projection(const Tile& x, Index local_row, ThreadState& state) {
  if (solving_) {
    state.p = {state.projection.reserve(x.rows * k_), x.rows, k_};
    if (!std::exchange(state.projected, true)) project<T>(x, h_, state.p, state.work);
  } else if (kept_projections_.rows() > 0) {
    state.p = kept_projections_.view().middle_rows({local_row, local_row + x.rows});
    if (!projections_known_) project<T>(x, h_, state.p, state.work);
  } else {
    state.p = {state.rows.reserve(3 * x.rows * k_), x.rows, k_};
    project<T>(x, h_, state.p, state.work);
  }
  return state.p;
}

}  // namespace scanmf
