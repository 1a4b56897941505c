#include "scanmf/solver/tile_solve.hpp"

namespace scanmf {
namespace {

/// Number `at` of a list that grows as needed.
Totals& entry(std::vector<Totals>& list, Index at, Index factor_sums) {
  while (static_cast<Index>(list.size()) <= at) list.emplace_back(factor_sums);
  return list[static_cast<std::size_t>(at)];
}

/// Adds each of the others to its own; there may be more on either side.
void add_each(std::vector<Totals>& own, const std::vector<Totals>& others) {
  for (std::size_t i = 0; i < others.size(); ++i) {
    if (i < own.size())
      own[i].add(others[i]);
    else
      own.push_back(others[i]);
  }
}

}  // namespace

template <Scalar T>
void TileSolve<T>::Sums::add(Sums& other) {
  add_each(updates, other.updates);
  add_each(evaluations, other.evaluations);
  other.clear();
}

template <Scalar T>
void TileSolve<T>::Sums::clear() {
  updates.clear();
  evaluations.clear();
}

template <Scalar T>
TileSolve<T>::TileSolve(RowSolver<T>& solver) : solver_(solver), threads_(static_cast<std::size_t>(team_.size())) {}

template <Scalar T>
std::unique_ptr<typename TileSolve<T>::Sums> TileSolve<T>::make_sums() {
  return std::make_unique<Sums>();
}

template <Scalar T>
void TileSolve<T>::begin(const SolveOptions& options) {
  options_ = options;
  sums_.begin(options.strata);
}

template <Scalar T>
void TileSolve<T>::solve(const Block<T>& block, MatrixView<T> w, Index updates) {
  for_each_tile(team_, block, [&](int thread, const TilePlace& place, const TileView<T>& tile) {
    solve_tile(tile, w.middle_rows({place.row, place.row + tile.rows()}), updates, sums_.at(place, make_sums),
               threads_[static_cast<std::size_t>(thread)]);
    sums_.visited(place);
  });
}

template <Scalar T>
void TileSolve<T>::end() {
  sums_.end(make_sums);
}

template <Scalar T>
void TileSolve<T>::solve_tile(const TileView<T>& x, MatrixView<T> w, Index updates, Sums& sums, ThreadState& state) {
  const bool keeps_projection = !solver_.loss.weights;
  Projection<T> projection;
  if (keeps_projection) projection.p = {state.projection.reserve(w.rows * w.columns), w.rows, w.columns};
  const auto evaluate = [&](Index number) {
    Totals& totals = entry(sums.evaluations, number, size_of(solver_.loss.sums, solver_.components));
    look_at_tile<T>(solver_, x, w, {.norms = true, .sums = true, .divergence = true}, nullptr, totals, state.scratch);
  };
  if (options_.evaluate_every > 0) evaluate(0);
  for (Index number = 1; number <= updates; ++number) {
    Totals& totals = entry(sums.updates, number - 1, 0);
    update_tile<T>(solver_, x, w, projection, number, options_.change, totals, state.scratch);
    projection.is_known = true;
    if (options_.change) look_at_tile<T>(solver_, x, w, {.norms = true}, nullptr, totals, state.scratch);
    if (options_.evaluate_every > 0 && number % options_.evaluate_every == 0)
      evaluate(number / options_.evaluate_every);
  }
}

template <Scalar T>
NodeTotals TileSolve<T>::recall(std::vector<Totals> Sums::*totals, Index number) const {
  NodeTotals recalled;
  for (const auto& [node, sums] : sums_.tree().nodes()) {
    recalled.emplace_back(node, empty_totals());
    const std::vector<Totals>& list = sums->*totals;
    if (const auto at = static_cast<std::size_t>(number); at < list.size()) recalled.back().second.add(list[at]);
  }
  return recalled;
}

template <Scalar T>
Totals TileSolve<T>::recall_so_far(std::vector<Totals> Sums::*totals, Index number) const {
  Totals sum = empty_totals();
  sums_.for_each([&](const Sums& sums) {
    const std::vector<Totals>& list = sums.*totals;
    if (const auto at = static_cast<std::size_t>(number); at < list.size()) sum.add(list[at]);
  });
  return sum;
}

template class TileSolve<float>;
template class TileSolve<double>;

}  // namespace scanmf
