#include "scanmf/solver/tile_work.hpp"

#include <algorithm>
#include <numeric>
#include <optional>

#include "scanmf/linalg/exact_sums.hpp"

namespace scanmf {
namespace {

template <Scalar T>
RowProducts<T> products_of(const RowSolver<T>& solver, const TileView<T>& x, MatrixView<const T> w,
                           const Projection<T>& projection, TileScratch<T>& scratch) {
  const MatrixView<T> denominator(scratch.denominator.reserve(w.rows * w.columns), w.rows, w.columns);
  if (!solver.loss.weights) {
    if (!projection.is_known) project<T>(x, solver.h.factor(), projection.p, scratch.work);
    return {projection.p, denominator, x};
  }
  const MatrixView<T> numerator(scratch.numerator.reserve(w.rows * w.columns), w.rows, w.columns);
  project_weighted<T>(x, w, solver.h.factor(), *solver.loss.weights, numerator, denominator, scratch.work);
  return {numerator, denominator, x};
}

}  // namespace

template <Scalar T>
void update_tile(const RowSolver<T>& solver, const TileView<T>& x, MatrixView<T> w, const Projection<T>& projection,
                 Index number, bool change, Totals& totals, TileScratch<T>& scratch) {
  MatrixView<T> before;
  if (change) {
    before = {scratch.before.reserve(w.rows * w.columns), w.rows, w.columns};
    for (Index i = 0; i < w.rows; ++i) std::copy_n(w.row(i), w.columns, before.row(i));
  }
  const RowProducts<T> products = products_of<T>(solver, x, w, projection, scratch);
  totals[Total::violation] += solver.update->update(w, products, number, scratch.work);
  if (change) totals[Total::change_squared] += distance_squared_in_order<T>(w, before);
}

template <Scalar T>
void look_at_tile(const RowSolver<T>& solver, const TileView<T>& x, MatrixView<const T> w, const Look& look,
                  const MatrixView<const T>* p, Totals& totals, TileScratch<T>& scratch) {
  if (look.norms) {
    const NormAndSum norms = norm_and_sum_in_order<T>(w);
    totals[Total::norm_squared] += norms.norm_squared;
    totals[Total::w_sum] += norms.sum;
  }
  if (look.sums && solver.loss.exact_sums)
    add_exact_gram<T>(w, totals.factor_sums().data(), scratch.exact, x.weights());
  else if (look.sums)
    add_factor_sums<T>(solver.loss.sums, w, totals.factor_sums().data(), scratch.work, x.weights());
  if (!look.divergence) return;
  std::optional<double> divergence;
  if (p != nullptr) divergence = divergence_by_projection<T>(x, w, *p, solver.h.factor_sums().data(), scratch.work);
  if (!divergence) divergence = divergence_sum<T>(x, w, solver.h.factor(), solver.loss.terms, scratch.work);
  totals[Total::divergence] += *divergence;
}

template <Scalar T>
double divergence_of(const RowSolver<T>& solver, const Totals& totals, Index rows) {
  const std::span<const double> w_sums = totals.factor_sums();
  const double dot = std::inner_product(w_sums.begin(), w_sums.end(), solver.h.factor_sums().begin(), 0.0);
  return solver.loss.closed(solver.kind, totals[Total::divergence], dot, {rows, solver.columns});
}

template double divergence_of(const RowSolver<float>&, const Totals&, Index);
template double divergence_of(const RowSolver<double>&, const Totals&, Index);
template void update_tile(const RowSolver<float>&, const TileView<float>&, MatrixView<float>, const Projection<float>&,
                          Index, bool, Totals&, TileScratch<float>&);
template void update_tile(const RowSolver<double>&, const TileView<double>&, MatrixView<double>,
                          const Projection<double>&, Index, bool, Totals&, TileScratch<double>&);
template void look_at_tile(const RowSolver<float>&, const TileView<float>&, MatrixView<const float>, const Look&,
                           const MatrixView<const float>*, Totals&, TileScratch<float>&);
template void look_at_tile(const RowSolver<double>&, const TileView<double>&, MatrixView<const double>, const Look&,
                           const MatrixView<const double>*, Totals&, TileScratch<double>&);

}  // namespace scanmf
