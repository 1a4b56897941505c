#pragma once

#include "scanmf/solver/row_update.hpp"
#include "scanmf/solver/totals.hpp"

namespace scanmf {

/// One thread's scratch memory for tiles.
template <Scalar T>
struct TileScratch {
  Workspace<T> work;       // of linalg's operations
  Workspace<T> numerator;  // products of the update; X·Hᵀ where it is not kept elsewhere
  Workspace<T> denominator;
  Workspace<T> before;        // W before an update
  Workspace<T> extrapolated;  // W_y
  Workspace<double> exact;
};

/// X·Hᵀ of a tile: where it lies, and whether it has been formed.
template <Scalar T>
struct Projection {
  MatrixView<T> p;
  bool is_known = false;
};

/// What is wanted of a look at the rows of W.
struct Look {
  bool norms = false;       // ‖W‖² and ΣW
  bool sums = false;        // the factor sums of W
  bool divergence = false;  // the sum of D's terms
};

// What both schedules, a pass and a tile solved to its end, do with a tile of X and its rows of W.

/// One update of w; adds the violation and, if `change`, ‖W_new − W_old‖² to totals. projection: for a loss without
/// weights, formed if it is not known. `number` of the update: see RowUpdate.
template <Scalar T>
void update_tile(const RowSolver<T>& solver, const TileView<T>& x, MatrixView<T> w, const Projection<T>& projection,
                 Index number, bool change, Totals& totals, TileScratch<T>& scratch);

/// Adds what is wanted of w to totals. p: X·Hᵀ, where it is at hand; then D is formed from it, if its digits allow.
template <Scalar T>
void look_at_tile(const RowSolver<T>& solver, const TileView<T>& x, MatrixView<const T> w, const Look& look,
                  const MatrixView<const T>* p, Totals& totals, TileScratch<T>& scratch);

/// D from totals over all tiles and ranks; rows: of X.
template <Scalar T>
double divergence_of(const RowSolver<T>& solver, const Totals& totals, Index rows);

}  // namespace scanmf
