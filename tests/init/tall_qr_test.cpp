#include "init/tall_qr.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "init/qr_checks.hpp"
#include "scanmf/core/random.hpp"

namespace scanmf {
namespace {

using test::departure_from_orthonormal;
using test::departure_of_product;

template <class T>
class TallQrTest : public testing::Test {
 protected:
  const Communicator comm;
  const double tolerance = 100 * static_cast<double>(std::numeric_limits<T>::epsilon());

  /// Local rows of a rank: uneven, and one rank owns nothing.
  Index rows_of(int rank, Index largest) const {
    return rank == empty_rank && comm.size() > 1 ? 0 : std::max<Index>(largest - 3 * rank, 1);
  }
  int empty_rank = 1;

  Matrix<T> random_block(Index largest, Index columns) const {
    Matrix<T> block = tall_block<T>(comm, rows_of(comm.rank(), largest), columns);
    for (Index i = 0; i < rows_of(comm.rank(), largest); ++i)
      for (Index j = 0; j < columns; ++j)
        block(i, j) = static_cast<T>(
            counter_normal(1, static_cast<std::uint64_t>(comm.rank()), static_cast<std::uint64_t>(i * columns + j)));
    return block;
  }

  static void expect_upper_triangle(const Matrix<T>& r) {
    for (Index i = 0; i < r.rows(); ++i)
      for (Index j = 0; j < i; ++j) EXPECT_EQ(r(i, j), 0);
  }
};

using Scalars = testing::Types<float, double>;
TYPED_TEST_SUITE(TallQrTest, Scalars);

TYPED_TEST(TallQrTest, factors_blocks_of_any_length) {
  for (const QrMethod method : {QrMethod::automatic, QrMethod::scalapack, QrMethod::tree})
    for (const Index columns : {1, 2, 5, 13, 40})
      for (const Index largest : {1, 50, 700}) {
        if (method == QrMethod::scalapack && columns == 1) continue;
        SCOPED_TRACE(testing::Message() << columns << " columns, " << largest << " rows, method "
                                        << static_cast<int>(method));
        const Matrix<TypeParam> a = this->random_block(largest, columns);
        Matrix<TypeParam> q = copy_of(a);
        const Matrix<TypeParam> r = tall_qr(this->comm, q, method);
        this->expect_upper_triangle(r);
        EXPECT_LT(departure_of_product(q, r, a), 10 * this->tolerance);
        EXPECT_LT(departure_from_orthonormal(this->comm, q), this->tolerance);
      }
}

TYPED_TEST(TallQrTest, factors_blocks_when_the_first_rank_has_none) {
  this->empty_rank = 0;
  for (const Index columns : {1, 2, 6})
    for (const Index largest : {1, 6, 50}) {
      SCOPED_TRACE(testing::Message() << columns << " columns, " << largest << " rows");
      const Matrix<TypeParam> a = this->random_block(largest, columns);
      Matrix<TypeParam> q = copy_of(a);
      const Matrix<TypeParam> r = tall_qr(this->comm, q);
      this->expect_upper_triangle(r);
      EXPECT_LT(departure_of_product(q, r, a), 10 * this->tolerance);
      EXPECT_LT(departure_from_orthonormal(this->comm, q), this->tolerance);
    }
}

TYPED_TEST(TallQrTest, factors_long_and_narrow_blocks) {
  for (const auto [columns, largest] : {std::pair<Index, Index>{40, 15000}, {3, 20001}, {1, 200000}}) {
    SCOPED_TRACE(testing::Message() << columns << " columns, " << largest << " rows");
    const Matrix<TypeParam> a = this->random_block(largest, columns);
    Matrix<TypeParam> q = copy_of(a);
    const Matrix<TypeParam> r = tall_qr(this->comm, q);
    this->expect_upper_triangle(r);
    EXPECT_LT(departure_of_product(q, r, a), 10 * this->tolerance);
    EXPECT_LT(departure_from_orthonormal(this->comm, q), this->tolerance);
    for (Index i = this->rows_of(this->comm.rank(), largest); i < q.rows(); ++i)
      for (Index j = 0; j < columns; ++j) ASSERT_EQ(q(i, j), 0) << "padding stays zero";
  }
}

TYPED_TEST(TallQrTest, padding_stays_zero) {
  for (const QrMethod method : {QrMethod::scalapack, QrMethod::tree}) {
    Matrix<TypeParam> q = this->random_block(50, 5);
    tall_qr(this->comm, q, method);
    for (Index i = this->rows_of(this->comm.rank(), 50); i < q.rows(); ++i)
      for (Index j = 0; j < 5; ++j) EXPECT_LT(std::abs(q(i, j)), this->tolerance);
  }
}

TYPED_TEST(TallQrTest, a_matrix_of_zeros_gives_finite_factors) {
  for (const QrMethod method : {QrMethod::scalapack, QrMethod::tree}) {
    Matrix<TypeParam> q = tall_block<TypeParam>(this->comm, 20, 4);
    const Matrix<TypeParam> r = tall_qr(this->comm, q, method);
    for (const TypeParam value : r.span()) EXPECT_EQ(value, 0);
    EXPECT_LT(departure_from_orthonormal(this->comm, q), this->tolerance);
  }
}

}  // namespace
}  // namespace scanmf
