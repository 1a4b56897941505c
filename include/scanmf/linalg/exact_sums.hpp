#pragma once

#include "scanmf/linalg/operations.hpp"

// Sums of which differences are formed: with the digits of double, for float32 data too, where the products of the
// other operations are rounded to float32 before they are summed.

namespace scanmf {

/// gram (k × k) += FᵀF for F rows × k. weights: one a row, or null.
template <Scalar T>
void add_exact_gram(MatrixView<const T> f, double* gram, Workspace<double>& work, const T* weights = nullptr);

/// ½Σ s·(X − W·H)² over the observed elements of a tile, whose digits do not cancel however small it is. h_gram: HHᵀ
/// (k × k), exact, of which sparse tiles make what all elements add that are not stored.
template <Scalar T>
double exact_half_square(const TileView<T>& x, MatrixView<const T> w, const RightFactor<T>& h, const double* h_gram,
                         Workspace<T>& work);

}  // namespace scanmf
