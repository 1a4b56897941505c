#include "scanmf/solver/tile_solve.hpp"

namespace scanmf {
namespace {

/// Number `at` of a list that grows as needed.
Totals& entry(std::vector<Totals>& list, Index at, Index factor_sums) {
  while (static_cast<Index>(list.size()) <= at) list.emplace_back(factor_sums);
  return list[static_cast<std::size_t>(at)];
}

}  // namespace

template <Scalar T>
TileSolve<T>::TileSolve(RowSolver<T>& solver)
    : solver_(solver),
      totals_(size_of(solver.loss.sums, solver.components)),
      threads_(static_cast<std::size_t>(team_.size())) {}

template <Scalar T>
void TileSolve<T>::begin(const SolveOptions& options) {
  options_ = options;
  for (ThreadState& state : threads_) {
    state.updates.clear();
    state.evaluations.clear();
  }
}

template <Scalar T>
void TileSolve<T>::solve(const Block<T>& block, MatrixView<T> w, Index updates) {
  for_each_tile(team_, block, [&](int thread, Index row, const TileView<T>& tile) {
    solve_tile(tile, w.middle_rows({row, row + tile.rows()}), updates, threads_[static_cast<std::size_t>(thread)]);
  });
}

template <Scalar T>
void TileSolve<T>::solve_tile(const TileView<T>& x, MatrixView<T> w, Index updates, ThreadState& state) {
  const bool keeps_projection = !solver_.loss.weights;
  Projection<T> projection;
  if (keeps_projection) projection.p = {state.projection.reserve(w.rows * w.columns), w.rows, w.columns};
  const auto evaluate = [&](Index number) {
    Totals& totals = entry(state.evaluations, number, size_of(solver_.loss.sums, solver_.components));
    look_at_tile<T>(solver_, x, w, {.norms = true, .sums = true, .divergence = true}, nullptr, totals, state.scratch);
  };
  if (options_.evaluate_every > 0) evaluate(0);
  for (Index number = 1; number <= updates; ++number) {
    Totals& totals = entry(state.updates, number - 1, 0);
    update_tile<T>(solver_, x, w, projection, number, options_.change, totals, state.scratch);
    projection.is_known = true;
    if (options_.change) look_at_tile<T>(solver_, x, w, {.norms = true}, nullptr, totals, state.scratch);
    if (options_.evaluate_every > 0 && number % options_.evaluate_every == 0)
      evaluate(number / options_.evaluate_every);
  }
}

template <Scalar T>
void TileSolve<T>::recall(std::vector<Totals> ThreadState::*totals, Index number) {
  totals_.clear();
  const auto at = static_cast<std::size_t>(number);
  for (const ThreadState& state : threads_)
    if (at < (state.*totals).size()) totals_.add((state.*totals)[at]);  // else a thread without tiles
}

template <Scalar T>
double TileSolve<T>::divergence() const {
  return divergence_of<T>(solver_, totals_, options_.rows);
}

template class TileSolve<float>;
template class TileSolve<double>;

}  // namespace scanmf
