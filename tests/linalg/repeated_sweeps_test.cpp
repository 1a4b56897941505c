// Repeated sweeps against single ones: how many each row gets, that it does not depend on the rows beside it, and that
// the quadratic never rises.
#include "scanmf/linalg/repeated_sweeps.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

namespace scanmf {
namespace {

/// Rows of a factor with the products and the Gram matrix of a fixed other factor.
template <Scalar T>
struct Example {
  Index k;
  Matrix<T> f, p;
  std::vector<T> gram;
  std::vector<Index> order;
  Workspace<T> work;

  Example(Index rows, Index k_, unsigned seed)
      : k(k_), f(rows, k_), p(rows, k_), gram(static_cast<std::size_t>(k_ * k_)), order(static_cast<std::size_t>(k_)) {
    std::mt19937 engine(seed);
    std::uniform_real_distribution<double> uniform(0.0, 1.0);
    Matrix<T> h(3 * k, k);
    for (Matrix<T>* m : {&f, &p, &h})
      for (T& value : m->span()) value = static_cast<T>(uniform(engine));
    for (Index a = 0; a < k; ++a)
      for (Index b = 0; b < k; ++b)
        for (Index j = 0; j < h.rows(); ++j) gram[static_cast<std::size_t>(a * k + b)] += h(j, a) * h(j, b);
    for (T& value : p.span()) value *= gram[0];
    std::iota(order.begin(), order.end(), Index{0});
  }

  double sweep(MatrixView<T> rows, MatrixView<const T> products, Index most) {
    return sweep_rows_repeatedly<T>(rows, products, 0.1, gram.data(), order.data(), most, work);
  }
  double sweep_once(MatrixView<T> rows, MatrixView<const T> products) {
    return sweep_rows<T>(rows, products, 0.1, gram.data(), order.data(), work);
  }
};

template <Scalar T>
Matrix<T> copy_of(const Matrix<T>& matrix) {
  Matrix<T> copy(matrix.rows(), matrix.columns());
  std::ranges::copy(matrix.span(), copy.data());
  return copy;
}

template <Scalar T>
bool same_bits(const Matrix<T>& a, const Matrix<T>& b) {
  return std::memcmp(a.data(), b.data(), a.span().size_bytes()) == 0;
}

template <Scalar T>
constexpr double rounding = sizeof(T) == 4 ? 1e-5 : 1e-13;

template <Scalar T>
double change_squared(MatrixView<const T> a, MatrixView<const T> b) {
  double sum = 0;
  for (Index c = 0; c < a.columns; ++c) sum += std::pow(static_cast<double>(a(0, c) - b(0, c)), 2);
  return sum;
}

template <class T>
class RepeatedSweeps : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(RepeatedSweeps, Types);

/// A row alone, by single sweeps, as the rule says.
template <Scalar T>
Index by_single_sweeps(Example<T>& example, MatrixView<T> row, MatrixView<const T> products, Index most) {
  double first = 0;
  for (Index sweeps = 1;; ++sweeps) {
    Matrix<T> before(1, row.columns);
    std::copy_n(row.data, row.columns, before.data());
    example.sweep(row, products, 1);
    const double change = change_squared<T>(row, before.view());
    if (sweeps == 1) first = change;
    if (sweeps == most || change <= 0.01 * first) return sweeps;
  }
}

TYPED_TEST(RepeatedSweeps, EachRowIsSweptUntilItHasSettled) {
  using T = TypeParam;
  for (const Index rows : {1, 15, 96, 97, 301}) {
    for (const Index k : {1, 3, 10, 33}) {
      Example<T> example(rows, k, static_cast<unsigned>(rows + 1000 * k));
      Matrix<T> expected = copy_of(example.f);
      std::vector<Index> counts;
      for (Index i = 0; i < rows; ++i)
        counts.push_back(by_single_sweeps<T>(example, expected.view().middle_rows({i, i + 1}),
                                             example.p.view().middle_rows({i, i + 1}), 30));
      Matrix<T> once = copy_of(example.f);
      const double violation = example.sweep_once(once.view(), example.p.view());
      Matrix<T> actual = copy_of(example.f);
      EXPECT_NEAR(example.sweep(actual.view(), example.p.view(), 30), violation, rounding<T> * violation);
      EXPECT_TRUE(same_bits(actual, expected)) << rows << " rows, k " << k;
      if (rows == 301 && k == 10) {
        EXPECT_NE(counts, std::vector<Index>(counts.size(), counts.front())) << "rows differ in their number of sweeps";
        EXPECT_FALSE(same_bits(actual, once));
      }
    }
  }
}

TYPED_TEST(RepeatedSweeps, AtMostSoManyAndOneIsAPlainSweepToRounding) {
  using T = TypeParam;
  Example<T> example(130, 7, 5);
  for (const Index most : {1, 2, 3}) {
    Matrix<T> expected = copy_of(example.f);
    for (Index i = 0; i < 130; ++i)
      by_single_sweeps<T>(example, expected.view().middle_rows({i, i + 1}), example.p.view().middle_rows({i, i + 1}),
                          most);
    Matrix<T> actual = copy_of(example.f);
    example.sweep(actual.view(), example.p.view(), most);
    EXPECT_TRUE(same_bits(actual, expected)) << most;
  }
  Matrix<T> once = copy_of(example.f);
  example.sweep_once(once.view(), example.p.view());
  Matrix<T> actual = copy_of(example.f);
  example.sweep(actual.view(), example.p.view(), 1);
  for (Index e = 0; e < 130 * 7; ++e) EXPECT_NEAR(actual.data()[e], once.data()[e], rounding<T>);
  EXPECT_FALSE(same_bits(actual, example.f));
}

TYPED_TEST(RepeatedSweeps, EndsWhereRoundingAloneIsLeft) {
  using T = TypeParam;
  Example<T> example(40, 6, 8);
  for (int i = 0; i < 200; ++i) example.sweep(example.f.view(), example.p.view(), 1000);
  Matrix<T> settled = copy_of(example.f);
  example.sweep(settled.view(), example.p.view(), Index{1} << 40);  // would never come back
  for (T& value : example.p.span()) value = std::numeric_limits<T>::quiet_NaN();
  EXPECT_TRUE(std::isnan(example.sweep(settled.view(), example.p.view(), Index{1} << 40)));
}

TEST(MostSweeps, FollowsShapeAndDensity) {
  EXPECT_EQ(most_sweeps(100 * 784, 100, 10), 1 + 39);  // ½·(1 + 78.4)
  EXPECT_EQ(most_sweeps(10, 100, 10), 1);
  EXPECT_EQ(most_sweeps(0, 100, 10), 1);
}

}  // namespace
}  // namespace scanmf
