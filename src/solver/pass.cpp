#include "scanmf/solver/pass.hpp"

#include <algorithm>

namespace scanmf {

template <Scalar T>
Pass<T>::Pass(RowSolver<T>& solver) : solver_(solver), totals_(size_of(solver.loss.sums, solver.components)) {
  for (int thread = 0; thread < team_.size(); ++thread)
    threads_.emplace_back(size_of(solver.loss.sums, solver.components));
}

template <Scalar T>
void Pass<T>::begin(const PassOptions& options) {
  options_ = options;
  const bool with_denominator = options.accumulate && solver_.loss.with_denominator();
  const Observed observed = solver_.observation == nullptr ? Observed::all : solver_.observation->observed;
  team_.run([&](int thread) {
    ThreadState& state = threads_[static_cast<std::size_t>(thread)];
    const auto clear = [&](Accumulator<T>& sums, StorageKind kind, Index components) {
      if (sums.columns() == 0) sums = Accumulator<T>(kind, solver_.columns, components);
      sums.set_zero();
    };
    if (options.accumulate) clear(state.numerator, solver_.kind, solver_.components);
    if (with_denominator) clear(state.denominator, denominator_kind(solver_.kind, observed), solver_.components);
    if (options.accumulate && solver_.loss.observed_grams) state.grams.begin(solver_.columns, solver_.components);
    state.totals.clear();
  });
}

template <Scalar T>
bool Pass<T>::needs_X() const {
  return !options_.update_W || options_.accumulate || options_.divergence || kept_projections_.columns() == 0 ||
         !projections_are_known() || solver_.observation != nullptr;
}

template <Scalar T>
void Pass<T>::visit_tile(int thread, const TileView<T>& x, const RowsOfW<T>& w, Index local_row) {
  ThreadState& state = threads_[static_cast<std::size_t>(thread)];
  MatrixView<const T> rows = w.rows();
  Projection<T> projected;
  if (w.are_updated()) {
    if (!solver_.loss.weights) projected = projection(local_row, rows.rows, state.scratch);
    if (w.are_extrapolated())
      rows = update_extrapolated_tile<T>(solver_, x, rows, w.to_update(), projected, options_.momentum, state.totals,
                                         state.scratch);
    else
      update_tile<T>(solver_, x, w.to_update(), projected, 1, options_.change, state.totals, state.scratch);
  }
  const Look look{.norms = options_.change || options_.divergence,
                  .sums = options_.accumulate || options_.divergence,
                  .divergence = options_.divergence};
  const MatrixView<const T> p = projected.p;
  look_at_tile<T>(solver_, x, rows, look, p.data != nullptr ? &p : nullptr, state.totals, state.scratch);
  if (!options_.accumulate) return;
  if (!solver_.loss.weights)
    accumulate<T>(x, rows, state.numerator, state.scratch.work);
  else
    accumulate_weighted<T>(x, rows, solver_.h.factor(), *solver_.loss.weights, state.numerator, state.denominator,
                           state.scratch.work);
  if (solver_.loss.observed_grams) state.grams.add(x, rows, *solver_.observation);
}

template <Scalar T>
Projection<T> Pass<T>::projection(Index local_row, Index rows, TileScratch<T>& scratch) {
  if (kept_projections_.rows() > 0)
    return {kept_projections_.view().middle_rows({local_row, local_row + rows}), projections_are_known()};
  return {MatrixView<T>(scratch.numerator.reserve(rows * solver_.components), rows, solver_.components), false};
}

template <Scalar T>
void Pass<T>::visit_without_X(Index local_row, Index first_tile, Index tile_rows, const RowsOfW<T>& w) {
  const Index rows = w.rows().rows;
  team_.in_turns(first_tile, (rows + tile_rows - 1) / tile_rows, [&](int thread, Index t) {
    const Range range{t * tile_rows, std::min(rows, (t + 1) * tile_rows)};
    visit_tile(thread, TileView<T>::unread(range.size(), solver_.columns), w.middle_rows(range),
               local_row + range.begin);
  });
}

template <Scalar T>
void Pass<T>::end() {
  totals_.clear();
  for (const ThreadState& state : threads_) totals_.add(state.totals);
  if (options_.update_W) known_version_ = solver_.version;
  if (!options_.accumulate) return;
  const auto sum_of = [&]<class U>(auto&& part_of, Matrix<U>& total) {
    std::vector<Accumulator<U>*> parts;
    for (ThreadState& state : threads_) parts.push_back(&part_of(state));
    if (total.columns() == 0) total = Matrix<U>(solver_.columns, parts.front()->components());
    sum_accumulators<U>(parts, total.view());
  };
  sum_of([](ThreadState& state) -> Accumulator<T>& { return state.numerator; }, numerator_);
  if (solver_.loss.with_denominator())
    sum_of([](ThreadState& state) -> Accumulator<T>& { return state.denominator; }, denominator_);
  if (!solver_.loss.observed_grams) return;
  team_.run([&](int thread) { threads_[static_cast<std::size_t>(thread)].grams.close(); });
  sum_of([](ThreadState& state) -> Accumulator<double>& { return state.grams.sums(); }, grams_);
}

template <Scalar T>
void Pass<T>::keep_projections(Index local_rows) {
  if (kept_projections_.rows() != local_rows || kept_projections_.columns() == 0)
    kept_projections_ = Matrix<T>(local_rows, solver_.components);
  known_version_ = -1;
}

template <Scalar T>
std::vector<MatrixView<T>> Pass<T>::statistics() {
  std::vector<MatrixView<T>> sums{numerator_.view()};
  if (solver_.loss.with_denominator()) sums.push_back(denominator_.view());
  return sums;
}

template <Scalar T>
Statistics<T> Pass<T>::summed() const {
  return {numerator_.view(), denominator_.view(), totals_.factor_sums(), grams_.view()};
}

template <Scalar T>
double Pass<T>::divergence() const {
  return divergence_of<T>(solver_, totals_, options_.rows);
}

template class Pass<float>;
template class Pass<double>;

}  // namespace scanmf
