#pragma once

#include "scanmf/linalg/operations.hpp"

namespace scanmf {

/// Coordinate-descent sweeps over the rows of F (rows × k) as sweep_rows makes them, but for rounding, several while
/// the linear term p and the Gram matrix stay (Gillis & Glineur, Neural Computation 24(4), 2012): each row until a
/// sweep changes it by ‖Δ‖² < 0.01·‖Δ_1‖², Δ_1 being its change in the first one, or by rounding alone, or at most
/// `most` times. What becomes of a row depends on nothing but itself. Returns the violation of the first sweep, as
/// sweep_rows does.
template <Scalar T>
double sweep_rows_repeatedly(MatrixView<T> f, MatrixView<const T> p, double l1, const T* gram, const Index* order,
                             Index most, Workspace<T>& work, double* of_rows = nullptr);

/// The same over one row f (k) with a Gram matrix of its own: k rows of padded_components, zeros behind.
template <Scalar T>
double sweep_row_repeatedly(T* f, const T* p, double l1, const T* gram, Index k, const Index* order, Index most,
                            Workspace<T>& work);

/// How many sweeps over the rows of a factor a product with X is worth, whose elements are `elements` and the factor's
/// rows: 1 + ⌊½·(1 + elements/(rows·k))⌋.
Index most_sweeps(Index elements, Index rows, Index components);

}  // namespace scanmf
