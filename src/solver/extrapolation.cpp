#include "scanmf/solver/extrapolation.hpp"

#include <algorithm>
#include <numeric>

#include "scanmf/linalg/exact_sums.hpp"

namespace scanmf {
namespace {

/// max(0, now + momentum·(now − before)); what is not a number stays so.
template <Scalar T>
T extrapolated(T now, T before, T momentum) {
  return std::max(now + momentum * (now - before), T{0});
}

/// ‖W‖² and ΣW of the rows that have a say in H.
template <Scalar T>
NormAndSum norms_that_count(const TileView<T>& x, MatrixView<const T> w) {
  if (x.weights() == nullptr) return norm_and_sum_in_order(w);
  NormAndSum result;
  for (Index i = 0; i < w.rows; ++i) {
    if (!(x.weights()[i] > T{0})) continue;
    const NormAndSum of_row = norm_and_sum_in_order<T>(w.middle_rows({i, i + 1}));
    result.norm_squared += of_row.norm_squared;
    result.sum += of_row.sum;
  }
  return result;
}

/// D of the rows of a tile, in full.
template <Scalar T>
double divergence_of_tile(const RowSolver<T>& solver, const TileView<T>& x, MatrixView<const T> w,
                          const Projection<T>& projection, bool exact, TileScratch<T>& scratch) {
  const double* const h_gram = solver.h.factor_sums().data();
  if (exact || !x.is_plain()) return exact_half_square<T>(x, w, solver.h.factor(), h_gram, scratch.work);
  const bool sparse = solver.kind == StorageKind::csr;  // whose terms lack what is summed over all of W
  Totals of_tile(size_of(solver.loss.sums, solver.components));
  const MatrixView<const T> p = projection.p;
  look_at_tile<T>(solver, x, w, {.sums = sparse, .divergence = true}, &p, of_tile, scratch);
  return divergence_of(solver, of_tile, w.rows);
}

}  // namespace

template <Scalar T>
MatrixView<const T> update_extrapolated_tile(const RowSolver<T>& solver, const TileView<T>& x,
                                             MatrixView<const T> accepted, MatrixView<T> before,
                                             const Projection<T>& projection, const Momentum& momentum, Totals& totals,
                                             TileScratch<T>& scratch) {
  const auto start = static_cast<T>(momentum.start);
  const auto step = static_cast<T>(momentum.step);
  for (Index i = 0; i < accepted.rows; ++i)
    for (Index c = 0; c < accepted.columns; ++c) before(i, c) = extrapolated(accepted(i, c), before(i, c), start);
  update_tile<T>(solver, x, before, projection, 1, false, totals, scratch);
  totals[Total::divergence] += divergence_of_tile<T>(solver, x, before, projection, momentum.exact, scratch);
  const NormAndSum norms = norms_that_count<T>(x, before);
  totals[Total::norm_squared] += norms.norm_squared;
  totals[Total::w_sum] += norms.sum;
  const MatrixView<T> w_y(scratch.extrapolated.reserve(before.rows * before.columns), before.rows, before.columns);
  for (Index i = 0; i < accepted.rows; ++i)
    for (Index c = 0; c < accepted.columns; ++c) w_y(i, c) = extrapolated(before(i, c), accepted(i, c), step);
  return w_y;
}

template <Scalar T>
void ExtrapolatedFactor<T>::update(MatrixView<T> ht_slice, Range slice, const Statistics<T>& statistics,
                                   double* violations) {
  update_.update(ht_slice, slice, statistics, violations);
  const auto step = static_cast<T>(momentum_);
  for (Index j = 0; j < ht_slice.rows; ++j) {
    for (Index c = 0; c < ht_slice.columns; ++c) {
      const T now = ht_slice(j, c);
      ht_slice(j, c) = extrapolated(now, before_(j, c), step);
      before_(j, c) = now;
    }
  }
}

template MatrixView<const float> update_extrapolated_tile(const RowSolver<float>&, const TileView<float>&,
                                                          MatrixView<const float>, MatrixView<float>,
                                                          const Projection<float>&, const Momentum&, Totals&,
                                                          TileScratch<float>&);
template MatrixView<const double> update_extrapolated_tile(const RowSolver<double>&, const TileView<double>&,
                                                           MatrixView<const double>, MatrixView<double>,
                                                           const Projection<double>&, const Momentum&, Totals&,
                                                           TileScratch<double>&);
template class ExtrapolatedFactor<float>;
template class ExtrapolatedFactor<double>;

}  // namespace scanmf
