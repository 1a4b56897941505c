#include "scanmf/solver/pass.hpp"

#include <algorithm>

namespace scanmf {

template <Scalar T>
void PassSums<T>::add(PassSums& other) {
  totals.add(other.totals);
  other.totals.clear();
  if (!other.with_statistics) return;
  numerator.take_from(other.numerator);
  if (denominator.columns() > 0) denominator.take_from(other.denominator);
}

template <Scalar T>
void PassSums<T>::clear() {
  totals.clear();
  if (!with_statistics) return;
  numerator.set_zero();
  if (denominator.columns() > 0) denominator.set_zero();
}

template <Scalar T>
Pass<T>::Pass(RowSolver<T>& solver)
    : solver_(solver),
      totals_(size_of(solver.loss.sums, solver.components)),
      threads_(static_cast<std::size_t>(team_.size())) {}

template <Scalar T>
void Pass<T>::begin(const PassOptions& options) {
  options_ = options;
  sums_.begin(options.strata);
  if (sums_column_grams()) column_grams_.begin(solver_.columns, solver_.components, options.strata);
}

template <Scalar T>
void Pass<T>::begin_block(const Block<T>& block) {
  if (sums_column_grams()) column_grams_.begin_block(block);
}

template <Scalar T>
void Pass<T>::end_block(const Block<T>& block) {
  if (sums_column_grams()) column_grams_.end_block(team_, block);
}

template <Scalar T>
std::unique_ptr<PassSums<T>> Pass<T>::new_sums() const {
  auto sums = std::make_unique<PassSums<T>>(size_of(solver_.loss.sums, solver_.components));
  prepare(*sums);
  return sums;
}

template <Scalar T>
PassSums<T>& Pass<T>::sums_at(const TilePlace& place) {
  PassSums<T>& sums = sums_.at(place, [&] { return new_sums(); });
  if (sums.with_statistics != options_.accumulate) prepare(sums);
  return sums;
}

template <Scalar T>
void Pass<T>::prepare(PassSums<T>& sums) const {
  sums.with_statistics = options_.accumulate;
  if (!options_.accumulate || sums.numerator.columns() > 0) return;
  const auto zeros = [&](StorageKind kind) {
    Accumulator<T> accumulator(kind, solver_.columns, solver_.components);
    accumulator.set_zero();
    return accumulator;
  };
  const Observed observed = solver_.observation == nullptr ? Observed::all : solver_.observation->observed;
  if (solver_.loss.with_denominator()) sums.denominator = zeros(denominator_kind(solver_.kind, observed));
  sums.numerator = zeros(solver_.kind);
}

template <Scalar T>
bool Pass<T>::needs_X() const {
  return !options_.update_W || options_.accumulate || options_.divergence || kept_projections_.columns() == 0 ||
         !projections_are_known() || solver_.observation != nullptr;
}

template <Scalar T>
void Pass<T>::visit_tile(int thread, const TilePlace& place, const TileView<T>& x, const RowsOfW<T>& w,
                         Index local_row) {
  TileScratch<T>& scratch = threads_[static_cast<std::size_t>(thread)];
  PassSums<T>& sums = sums_at(place);
  MatrixView<const T> rows = w.rows();
  Projection<T> projected;
  if (w.are_updated()) {
    if (!solver_.loss.weights) projected = projection(local_row, rows.rows, scratch);
    if (w.are_extrapolated())
      rows = update_extrapolated_tile<T>(solver_, x, rows, w.to_update(), projected, options_.momentum, sums.totals,
                                         scratch);
    else
      update_tile<T>(solver_, x, w.to_update(), projected, 1, options_.change, sums.totals, scratch);
  }
  const Look look{.norms = options_.change || options_.divergence,
                  .sums = options_.accumulate || options_.divergence,
                  .divergence = options_.divergence};
  const MatrixView<const T> p = projected.p;
  look_at_tile<T>(solver_, x, rows, look, p.data != nullptr ? &p : nullptr, sums.totals, scratch);
  if (options_.accumulate) {
    if (!solver_.loss.weights)
      accumulate<T>(x, rows, sums.numerator, scratch.work);
    else
      accumulate_weighted<T>(x, rows, solver_.h.factor(), *solver_.loss.weights, sums.numerator, sums.denominator,
                             scratch.work);
    if (sums_column_grams()) column_grams_.keep(x, place.row, rows);
  }
  sums_.visited(place);
}

template <Scalar T>
Projection<T> Pass<T>::projection(Index local_row, Index rows, TileScratch<T>& scratch) {
  if (kept_projections_.rows() > 0)
    return {kept_projections_.view().middle_rows({local_row, local_row + rows}), projections_are_known()};
  return {MatrixView<T>(scratch.numerator.reserve(rows * solver_.components), rows, solver_.components), false};
}

template <Scalar T>
void Pass<T>::visit_without_X(const Block<T>& rows, const RowsOfW<T>& w) {
  for_each_place(team_, rows, [&](int thread, const TilePlace& place, Index) {
    const Range range{place.row, rows.first_row(place.number + 1)};
    visit_tile(thread, place, TileView<T>::unread(range.size(), solver_.columns), w.middle_rows(range),
               rows.local_row + range.begin);
  });
}

template <Scalar T>
void Pass<T>::end() {
  sums_.end([&] { return new_sums(); });
  if (sums_column_grams()) column_grams_.end(team_);
  if (options_.update_W) known_version_ = solver_.version;
}

template <Scalar T>
void Pass<T>::keep_projections(Index local_rows) {
  if (kept_projections_.rows() != local_rows || kept_projections_.columns() == 0)
    kept_projections_ = Matrix<T>(local_rows, solver_.components);
  known_version_ = -1;
}

template <Scalar T>
MatrixView<T> Pass<T>::numerator() {
  if (numerator_.columns() == 0) numerator_ = Matrix<T>(solver_.columns, solver_.components);
  return numerator_.view();
}

template <Scalar T>
MatrixView<T> Pass<T>::denominator() {
  if (!solver_.loss.with_denominator()) return {};
  if (denominator_.columns() == 0) denominator_ = Matrix<T>(solver_.columns, solver_.components);
  return denominator_.view();
}

template <Scalar T>
MatrixView<T> Pass<T>::grams() {
  if (!solver_.loss.observed_grams) return {};
  if (grams_.columns() == 0) grams_ = Matrix<T>(solver_.columns, GramLayout<T>(solver_.components).size());
  return grams_.view();
}

template <Scalar T>
Statistics<T> Pass<T>::summed() const {
  return {numerator_.view(), denominator_.view(), totals_.factor_sums(), grams_.view()};
}

template <Scalar T>
double Pass<T>::divergence() const {
  return divergence_of<T>(solver_, totals_, options_.rows);
}

template struct PassSums<float>;
template struct PassSums<double>;
template class Pass<float>;
template class Pass<double>;

}  // namespace scanmf
