#include "linalg/lapack.hpp"

#include <cblas.h>
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "scanmf/core/error.hpp"
#include "scanmf/core/team.hpp"

extern "C" {
void sgeqrf_(const int* m, const int* n, float* a, const int* lda, float* tau, float* work, const int* lwork,
             int* info);
void dgeqrf_(const int* m, const int* n, double* a, const int* lda, double* tau, double* work, const int* lwork,
             int* info);
void sorgqr_(const int* m, const int* n, const int* k, float* a, const int* lda, const float* tau, float* work,
             const int* lwork, int* info);
void dorgqr_(const int* m, const int* n, const int* k, double* a, const int* lda, const double* tau, double* work,
             const int* lwork, int* info);
void dgesdd_(const char* jobz, const int* m, const int* n, double* a, const int* lda, double* s, double* u,
             const int* ldu, double* vt, const int* ldvt, double* work, const int* lwork, int* iwork, int* info,
             std::size_t jobz_length);
void dgesvd_(const char* jobu, const char* jobvt, const int* m, const int* n, double* a, const int* lda, double* s,
             double* u, const int* ldu, double* vt, const int* ldvt, double* work, const int* lwork, int* info,
             std::size_t jobu_length, std::size_t jobvt_length);
}

namespace scanmf {
namespace {

int narrow(Index size) {
  if (size > std::numeric_limits<int>::max())
    throw Error("a matrix has 2^31 or more rows or columns: too large for LAPACK, use more ranks");
  return static_cast<int>(size);
}

void geqrf(int m, int n, float* a, float* tau, float* work, int lwork, int* info) {
  sgeqrf_(&m, &n, a, &m, tau, work, &lwork, info);
}
void geqrf(int m, int n, double* a, double* tau, double* work, int lwork, int* info) {
  dgeqrf_(&m, &n, a, &m, tau, work, &lwork, info);
}
void orgqr(int m, int n, float* a, const float* tau, float* work, int lwork, int* info) {
  sorgqr_(&m, &n, &n, a, &m, tau, work, &lwork, info);
}
void orgqr(int m, int n, double* a, const double* tau, double* work, int lwork, int* info) {
  dorgqr_(&m, &n, &n, a, &m, tau, work, &lwork, info);
}
void gemm(int m, int n, int k, const float* a, int lda, const float* b, int ldb, float beta, float* c, int ldc) {
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1, a, lda, b, ldb, beta, c, ldc);
}
void gemm(int m, int n, int k, const double* a, int lda, const double* b, int ldb, double beta, double* c, int ldc) {
  cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1, a, lda, b, ldb, beta, c, ldc);
}

/// Divide and conquer first; where it fails to converge, the slower QR iteration. `a` is destroyed. Column-major.
int decompose(int n, std::vector<double> a, double* s, double* u, double* vt) {
  const std::vector<double> original = a;
  double best = 0;
  int info = 0;
  int lwork = -1;
  std::vector<int> integers(8 * static_cast<std::size_t>(n));
  dgesdd_("A", &n, &n, a.data(), &n, s, u, &n, vt, &n, &best, &lwork, integers.data(), &info, 1);
  lwork = static_cast<int>(best);
  std::vector<double> work(static_cast<std::size_t>(lwork));
  dgesdd_("A", &n, &n, a.data(), &n, s, u, &n, vt, &n, work.data(), &lwork, integers.data(), &info, 1);
  if (info <= 0) return info;
  a = original;
  lwork = -1;
  dgesvd_("A", "A", &n, &n, a.data(), &n, s, u, &n, vt, &n, &best, &lwork, &info, 1, 1);
  lwork = static_cast<int>(best);
  work.resize(static_cast<std::size_t>(lwork));
  dgesvd_("A", "A", &n, &n, a.data(), &n, s, u, &n, vt, &n, work.data(), &lwork, &info, 1, 1);
  return info;
}

}  // namespace

template <Scalar T>
void qr(MatrixView<T> a, MatrixView<T> r) {
  // Reflections work on columns, which LAPACK wants contiguous; on the rows of the transpose they are several times
  // slower.
  const int rows = narrow(a.rows);
  const int columns = narrow(a.columns);
  if (columns == 0) return;
  Matrix<T> by_columns(a.columns, a.rows);
  for (Index i = 0; i < a.rows; ++i)
    for (Index j = 0; j < a.columns; ++j) by_columns(j, i) = a(i, j);
  constexpr int panel = 32;
  std::vector<T> tau(static_cast<std::size_t>(columns));
  std::vector<T> work(static_cast<std::size_t>(panel) * static_cast<std::size_t>(columns));
  int info = 0;
  geqrf(rows, columns, by_columns.data(), tau.data(), work.data(), static_cast<int>(work.size()), &info);
  for (Index i = 0; i < a.columns; ++i)
    for (Index j = 0; j < a.columns; ++j) r(i, j) = i <= j ? by_columns(j, i) : T{0};
  orgqr(rows, columns, by_columns.data(), tau.data(), work.data(), static_cast<int>(work.size()), &info);
  for (Index i = 0; i < a.rows; ++i)
    for (Index j = 0; j < a.columns; ++j) a(i, j) = by_columns(j, i);
}

SquareSvd svd(const Matrix<double>& a) {
  // LAPACK sees Aᵀ = V·diag(s)·Uᵀ: its U, column by column, is our Vᵀ, row by row.
  const Index n = a.rows();
  constexpr Index widest = 26000;  // the routines count 3·n² + 7·n elements of workspace in 32 bits
  if (n > widest)
    throw Error(fmt::format("a singular value decomposition of {} x {} is too large for LAPACK, which takes up to {}",
                            n, n, widest));
  SquareSvd result{Matrix<double>(n, n), Buffer<double>(n), Matrix<double>(n, n)};
  if (n == 0) return result;
  const int info =
      decompose(narrow(n), {a.data(), a.data() + n * n}, result.s.data(), result.Vt.data(), result.U.data());
  if (info != 0)
    throw Error("the singular value decomposition does not converge: X holds values too large for its type, scale it");
  return result;
}

namespace {

/// C = A·B + beta·C, where the sum has terms; threads share the rows, so many at once.
template <Scalar T>
void multiply_in_groups(MatrixView<const T> a, MatrixView<const T> b, T beta, MatrixView<T> c, Index rows_at_once) {
  Team().in_groups(a.rows, rows_at_once, [&](int, Range rows) {
    gemm(static_cast<int>(rows.size()), static_cast<int>(b.columns), static_cast<int>(b.rows), a.row(rows.begin),
         static_cast<int>(a.stride), b.data, static_cast<int>(b.stride), beta, c.row(rows.begin),
         static_cast<int>(c.stride));
  });
}

}  // namespace

template <Scalar T>
void multiply(MatrixView<const T> a, MatrixView<const T> b, MatrixView<T> c) {
  if (b.columns == 0 || b.rows == 0) {
    for (Index i = 0; i < c.rows; ++i) std::fill_n(c.row(i), c.columns, T{0});
    return;
  }
  multiply_in_groups(a, b, T{0}, c, 1024);
}

template <Scalar T>
void multiply_add(MatrixView<const T> a, MatrixView<const T> b, MatrixView<T> c) {
  if (b.columns > 0 && b.rows > 0) multiply_in_groups(a, b, T{1}, c, 256);
}

template void qr(MatrixView<float>, MatrixView<float>);
template void qr(MatrixView<double>, MatrixView<double>);
template <Scalar T>
void multiply_in_place(MatrixView<T> a, MatrixView<const T> factor) {
  Matrix<T> copy(a.rows, a.columns);
  for (Index i = 0; i < a.rows; ++i) std::copy_n(a.row(i), a.columns, copy.row(i));
  multiply<T>(std::as_const(copy).view(), factor, a);
}

template void multiply_in_place(MatrixView<float>, MatrixView<const float>);
template void multiply_in_place(MatrixView<double>, MatrixView<const double>);
template void multiply(MatrixView<const float>, MatrixView<const float>, MatrixView<float>);
template void multiply(MatrixView<const double>, MatrixView<const double>, MatrixView<double>);
template void multiply_add(MatrixView<const float>, MatrixView<const float>, MatrixView<float>);
template void multiply_add(MatrixView<const double>, MatrixView<const double>, MatrixView<double>);

}  // namespace scanmf
