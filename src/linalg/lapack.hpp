#pragma once

#include "scanmf/linalg/matrix.hpp"

namespace scanmf {

// Dense factorisations of one rank's data by LAPACK and BLAS, for row-major arrays. Local; sizes below 2^31.

/// QR of A (rows × columns, rows >= columns): A becomes Q with orthonormal columns, R (columns × columns) its upper
/// triangle, zero below.
template <Scalar T>
void qr(MatrixView<T> a, MatrixView<T> r);

/// Singular value decomposition A = U·diag(s)·Vᵀ of a square matrix; s descends. Throws Error when it does not
/// converge.
struct SquareSvd {
  Matrix<double> U;
  Buffer<double> s;
  Matrix<double> Vt;
};
SquareSvd svd(const Matrix<double>& a);

/// C (rows × columns) = A (rows × terms) · B (terms × columns). Threads share the rows.
template <Scalar T>
void multiply(MatrixView<const T> a, MatrixView<const T> b, MatrixView<T> c);
/// a ← a · factor, a square one; takes a copy of a.
template <Scalar T>
void multiply_in_place(MatrixView<T> a, MatrixView<const T> factor);
/// C += A · B, likewise.
template <Scalar T>
void multiply_add(MatrixView<const T> a, MatrixView<const T> b, MatrixView<T> c);

}  // namespace scanmf
