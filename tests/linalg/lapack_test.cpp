#include "linalg/lapack.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "linalg/scalapack.hpp"
#include "scanmf/core/random.hpp"

namespace scanmf {
namespace {

Matrix<double> random_matrix(Index rows, Index columns, std::uint64_t seed) {
  Matrix<double> a(rows, columns);
  for (Index i = 0; i < rows * columns; ++i) a.data()[i] = counter_normal(seed, 0, static_cast<std::uint64_t>(i));
  return a;
}

TEST(Lapack, singular_values_descend_and_give_the_matrix_back) {
  for (const Index n : {0, 1, 2, 17, 60}) {
    const Matrix<double> a = random_matrix(n, n, 3);
    const SquareSvd f = svd(a);
    for (Index i = 0; i + 1 < n; ++i) EXPECT_GE(f.s[i], f.s[i + 1]);
    for (Index i = 0; i < n; ++i)
      for (Index j = 0; j < n; ++j) {
        double sum = 0;
        double gram_u = 0;
        double gram_v = 0;
        for (Index c = 0; c < n; ++c) {
          sum += f.U(i, c) * f.s[c] * f.Vt(c, j);
          gram_u += f.U(c, i) * f.U(c, j);
          gram_v += f.Vt(i, c) * f.Vt(j, c);
        }
        EXPECT_NEAR(sum, a(i, j), 1e-13);
        EXPECT_NEAR(gram_u, i == j ? 1 : 0, 1e-13);
        EXPECT_NEAR(gram_v, i == j ? 1 : 0, 1e-13);
      }
  }
}

TEST(Lapack, known_singular_values) {
  Matrix<double> a(2, 2, 0.0);
  a(0, 1) = 3;
  a(1, 0) = -4;
  const SquareSvd f = svd(a);
  EXPECT_NEAR(f.s[0], 4, 1e-15);
  EXPECT_NEAR(f.s[1], 3, 1e-15);
}

TEST(Lapack, product_of_strided_views) {
  for (const Index rows : {0, 1, 5, 3000}) {
    const Matrix<double> a = random_matrix(rows, 9, 1);
    const Matrix<double> b = random_matrix(7, 6, 2);
    Matrix<double> c(rows, 8, 99.0);
    const MatrixView<const double> left{a.data() + 1, rows, 7, 9};
    const MatrixView<const double> right{b.data(), 7, 5, 6};
    multiply<double>(left, right, {c.data(), rows, 5, 8});
    for (Index i = 0; i < rows; ++i) {
      for (Index j = 0; j < 5; ++j) {
        double sum = 0;
        for (Index t = 0; t < 7; ++t) sum += left(i, t) * right(t, j);
        EXPECT_NEAR(c(i, j), sum, 1e-13);
      }
      for (Index j = 5; j < 8; ++j) EXPECT_EQ(c(i, j), 99);
    }
  }
}

TEST(Scalapack, limits_of_its_integers) {
  EXPECT_TRUE(distributed_qr_fits(1'000'000, 20, 64, 8));
  EXPECT_FALSE(distributed_qr_fits(1'000'000, 20, 4096, 8)) << "more than 2^31 rows";
  EXPECT_FALSE(distributed_qr_fits(30'000'000, 20, 4, 8)) << "a block of more than 2^31 bytes";
  EXPECT_FALSE(distributed_qr_fits(1000, 1, 2, 8)) << "a single column";
}

}  // namespace
}  // namespace scanmf
