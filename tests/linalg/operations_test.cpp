// Every operation on tiles against loops that follow the formulas, for odd shapes, both storage kinds and both types;
// what is not observed: observed_operations_test.cpp.
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "linalg/tile_example.hpp"
#include "scanmf/core/tree_sum.hpp"
#include "scanmf/solver/loss.hpp"
#include "support/pack_rows.hpp"

namespace scanmf {
namespace {

using test::Example;
using test::expect_near;
using test::guarded;
using test::times_ht;
using test::tolerance;
using test::transposed_times_w;

template <Scalar T, class Tile>
void check_products(const Example<T>& e, const Tile& tile, StorageKind kind) {
  RightFactor<T> h(kind, e.columns, e.k);
  h.assign(e.ht.view());
  Workspace<T> work;
  Matrix<T> p(e.rows, e.k);
  project<T>(tile, h, p.view(), work);
  const auto x = [&](Index i, Index j) { return e.at(i, j); };
  expect_near<T>(p.view(), times_ht(e, x), "project");
  std::vector<Accumulator<T>> parts;
  for (int t = 0; t < 2; ++t) parts.emplace_back(kind, e.columns, e.k).set_zero();
  accumulate<T>(tile, e.w.view(), parts[0], work);
  accumulate<T>(tile, e.w.view(), parts[1], work);
  accumulate<T>(tile, e.w.view(), parts[1], work);
  Matrix<T> total(e.columns, e.k);
  parts[0].take_from(parts[1]);
  parts[0].take_from(parts[1]);  // which is zero by now
  parts[0].copy_to(total.view());
  expect_near<T>(total.view(), transposed_times_w(e, [&](Index i, Index j) { return 3 * e.at(i, j); }), "accumulate");
}

template <Scalar T, class Tile>
void check_weighted(const Example<T>& e, const Tile& tile, StorageKind kind, double beta) {
  SCOPED_TRACE(beta);
  RightFactor<T> h(kind, e.columns, e.k, true);
  h.assign(e.ht.view());
  Workspace<T> work;
  Matrix<T> n(e.rows, e.k);
  Matrix<T> d(e.rows, e.k, T{0});
  const ElementWeights weights = *loss_of(beta).weights;
  project_weighted<T>(tile, e.w.view(), h, weights, n.view(), d.view(), work);
  const auto q = [&](Index i, Index j) {
    return e.at(i, j) * std::pow(beta < 2 ? guarded(e.product(i, j)) : e.product(i, j), beta - 2);
  };
  const auto r = [&](Index i, Index j) {
    return std::pow(beta < 1 ? guarded(e.product(i, j)) : e.product(i, j), beta - 1);
  };
  expect_near<T>(n.view(), times_ht(e, q), "numerator of W");
  if (beta != 1) expect_near<T>(d.view(), times_ht(e, r), "denominator of W");
  Accumulator<T> numerator(kind, e.columns, e.k);
  Accumulator<T> denominator(StorageKind::dense, e.columns, e.k);
  numerator.set_zero();
  denominator.set_zero();
  accumulate_weighted<T>(tile, e.w.view(), h, weights, numerator, denominator, work);
  Matrix<T> total(e.columns, e.k);
  numerator.copy_to(total.view());
  expect_near<T>(total.view(), transposed_times_w(e, q), "numerator of H");
  denominator.copy_to(total.view());
  if (beta != 1) expect_near<T>(total.view(), transposed_times_w(e, r), "denominator of H");
}

/// D by its definition, over all entries.
template <Scalar T>
double divergence_by_definition(const Example<T>& e, double beta) {
  double sum = 0;
  for (Index i = 0; i < e.rows; ++i) {
    for (Index j = 0; j < e.columns; ++j) {
      const double x = e.at(i, j);
      const double y = e.product(i, j);
      if (beta == 2)
        sum += 0.5 * (x - y) * (x - y);
      else if (beta == 1)
        sum += (x > division_guard ? x * std::log(x / guarded(y)) - x : 0) + y;
      else if (beta == 0)
        sum += (x > division_guard ? x / guarded(y) - std::log(x / guarded(y)) : 0) - 1;
      else
        sum += ((x > division_guard ? std::pow(x, beta) - beta * x * std::pow(guarded(y), beta - 1) : 0) +
                (beta - 1) * std::pow(y, beta)) /
               (beta * (beta - 1));
    }
  }
  return sum;
}

template <Scalar T, class Tile>
void check_divergence(const Example<T>& e, const Tile& tile, StorageKind kind, double beta) {
  SCOPED_TRACE(beta);
  RightFactor<T> h(kind, e.columns, e.k, true);
  h.assign(e.ht.view());
  Workspace<T> work;
  const auto k = static_cast<std::size_t>(e.k);
  std::vector<double> w_gram(k * k, 0.0), h_gram(k * k, 0.0), w_sums(k, 0.0), h_sums(k, 0.0);
  add_gram<T>(e.w.view(), w_gram.data(), work);
  add_gram<T>(e.ht.view(), h_gram.data(), work);
  add_column_sums<T>(e.w.view(), w_sums.data());
  add_column_sums<T>(e.ht.view(), h_sums.data());
  const Loss loss = loss_of(beta);
  double gram_dot = 0;
  double sums_dot = 0;
  for (std::size_t i = 0; i < k * k; ++i) gram_dot += w_gram[i] * h_gram[i];
  for (std::size_t i = 0; i < k; ++i) sums_dot += w_sums[i] * h_sums[i];
  const double sum = divergence_sum<T>(tile, e.w.view(), h, loss.terms, work);
  const double total = loss.closed(kind, sum, beta == 2 ? gram_dot : sums_dot, {e.rows, e.columns});
  const double expected = divergence_by_definition(e, beta);
  const double scale = std::abs(sum) + std::abs(gram_dot) + std::abs(sums_dot) + std::abs(expected);
  EXPECT_NEAR(total, expected, 10 * tolerance<T> * scale);
  if (beta != 2) return;
  Matrix<T> p(e.rows, e.k);
  project<T>(tile, h, p.view(), work);
  const auto by_projection = divergence_by_projection<T>(tile, e.w.view(), p.view(), h_gram.data(), work);
  ASSERT_TRUE(by_projection || expected < 0.01 * scale);
  if (by_projection)
    EXPECT_NEAR(loss.closed(kind, *by_projection, gram_dot, {e.rows, e.columns}), expected, tolerance<T> * scale);
}

template <Scalar T>
void check_all(Index rows, Index columns, Index k, double density) {
  SCOPED_TRACE(::testing::Message() << rows << " x " << columns << ", k = " << k << ", density " << density);
  const Example<T> e(rows, columns, k, density, static_cast<unsigned>(rows * 1000 + columns * 10 + k));
  check_products(e, e.dense(), StorageKind::dense);
  check_products(e, e.csr(), StorageKind::csr);
  for (const double beta : {1.0, 0.0, 0.5, 1.5, 3.0, -1.0, 1.3, 2.7}) {
    check_weighted(e, e.dense(), StorageKind::dense, beta);
    check_weighted(e, e.csr(), StorageKind::csr, beta);
  }
  for (const double beta : {2.0, 1.0, 0.5, 1.5, 3.0, 1.3}) {
    check_divergence(e, e.dense(), StorageKind::dense, beta);
    check_divergence(e, e.csr(), StorageKind::csr, beta);
  }
  if (density == 1) check_divergence(e, e.dense(), StorageKind::dense, 0.0);
  if (density == 1) check_divergence(e, e.csr(), StorageKind::csr, 0.0);
}

template <class T>
class Operations : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Operations, Types);

TYPED_TEST(Operations, FollowTheFormulasForOddShapes) {
  for (const Index k : {1, 2, 5, 7, 10, 17, 33, 70}) check_all<TypeParam>(13, 37, k, 0.3);
  for (const Index rows : {1, 2, 3, 5, 95, 96, 97}) check_all<TypeParam>(rows, 21, 6, 0.5);
  for (const Index columns : {1, 15, 16, 17, 63, 64, 65, 130, 1100}) check_all<TypeParam>(7, columns, 5, 1);
}

TYPED_TEST(Operations, DivergenceByProjectionLeavesCloseFitsToTheDirectSum) {
  using T = TypeParam;
  Example<T> e(92, 300, 6, 1, 11);
  for (const double distance : {0.3, 0.05}) {  // of the values
    Matrix<T> x(e.rows, e.columns);
    for (Index i = 0; i < e.rows; ++i) {
      for (Index j = 0; j < e.columns; ++j) {
        x(i, j) = static_cast<T>(e.product(i, j) * (1 + ((i + j) % 2 == 0 ? distance : -distance)));
        e.x[static_cast<std::size_t>(i * e.columns + j)] = static_cast<double>(x(i, j));
      }
    }
    test::pack_rows<T>(x.view(), 0, e.rows, e.rows, e.packed.data());
    RightFactor<T> h(StorageKind::dense, e.columns, e.k);
    h.assign(e.ht.view());
    Workspace<T> work;
    Matrix<T> p(e.rows, e.k);
    project<T>(e.dense(), h, p.view(), work);
    std::vector<double> h_gram(36, 0.0);
    add_gram<T>(e.ht.view(), h_gram.data(), work);
    const auto divergence = divergence_by_projection<T>(e.dense(), e.w.view(), p.view(), h_gram.data(), work);
    ASSERT_EQ(divergence.has_value(), distance > 0.1);
    if (!divergence) continue;
    const double expected = divergence_by_definition(e, 2);
    EXPECT_NEAR(*divergence, expected, (sizeof(T) == 4 ? 2e-6 : 1e-13) * expected);
  }
}

TYPED_TEST(Operations, TotalsOfElementsFindEveryFlaw) {
  using T = TypeParam;
  using Limits = std::numeric_limits<T>;
  std::mt19937 engine(17);
  std::uniform_real_distribution<double> uniform(0, 1);
  for (const std::size_t count : {0, 1, 7, 8, 9, 64, 133}) {
    std::vector<T> x(count);
    double sum = 0;
    Index positive = 0;
    for (T& element : x) {
      element = uniform(engine) < 0.3 ? T{0} : static_cast<T>(uniform(engine));
      sum += static_cast<double>(element);
      positive += element > T{0} ? 1 : 0;
    }
    const ElementTotals totals = element_totals<T>(x, T{0});
    EXPECT_NEAR(totals.sum, sum, 1e-13 * sum);
    EXPECT_EQ(totals.positive, positive);
    EXPECT_TRUE(totals.sound);
    for (T& element : x) {
      const T before = element;
      for (const T flaw : {Limits::quiet_NaN(), Limits::infinity(), -Limits::infinity(), -Limits::denorm_min()}) {
        element = flaw;
        EXPECT_FALSE(element_totals<T>(x, T{0}).sound) << count << " elements, " << flaw;
        EXPECT_EQ(element_totals<T>(x, Limits::lowest()).sound, flaw == -Limits::denorm_min());
      }
      element = Limits::max();
      EXPECT_TRUE(element_totals<T>(x, T{0}).sound);
      element = before;
    }
  }
  const std::vector<float> huge(100, std::numeric_limits<float>::max());
  EXPECT_EQ(element_totals<float>(huge, 0).sum,
            100.0 * static_cast<double>(std::numeric_limits<float>::max()));  // in double
}

TYPED_TEST(Operations, GramMatrixOfManyRowsIsSummedInDouble) {
  const Example<TypeParam> e(1000, 3, 11, 1, 5);
  std::vector<double> gram(121, 1.0);
  Workspace<TypeParam> work;
  add_gram<TypeParam>(e.w.view(), gram.data(), work);
  for (Index a = 0; a < 11; ++a) {
    for (Index b = 0; b < 11; ++b) {
      double sum = 1;
      for (Index i = 0; i < 1000; ++i) sum += static_cast<double>(e.w(i, a)) * static_cast<double>(e.w(i, b));
      EXPECT_NEAR(gram[static_cast<std::size_t>(a * 11 + b)], sum, tolerance<TypeParam> * sum / 10);
    }
  }
}

TYPED_TEST(Operations, GramMatrixOfLeavesIsAddedAlongTheTree) {
  using T = TypeParam;
  constexpr Index leaf = 16;
  for (const Index k : {1, 11, 64, 100}) {
    for (const Index rows : {1, 16, 20, 40, 48, 60, 64}) {
      const Example<T> e(rows, 3, k, 1, 5);
      Workspace<T> work;
      std::vector<double> gram(static_cast<std::size_t>(k * k), 0.0);
      std::vector<double> expected(gram);
      add_gram_of_leaves<T>(e.w.view(), leaf, gram.data(), work);
      add_leaves({0, rows}, leaf, std::span(expected),
                 [&](Range some, double* of_leaf) { add_gram<T>(e.w.view().middle_rows(some), of_leaf, work); });
      EXPECT_EQ(gram, expected) << rows << " rows, k " << k;
    }
  }
}

TYPED_TEST(Operations, SweepFollowsCoordinateDescentRowByRow) {
  using T = TypeParam;
  // 70: several coordinates at once, and two left over
  for (const auto& [rows, k] : {std::pair<Index, Index>{1, 7}, {16, 7}, {50, 7}, {200, 7}, {1, 70}, {90, 70}}) {
    const Example<T> e(rows, 30, k, 0.5, static_cast<unsigned>(rows));
    Matrix<T> f = copy_of(e.w);
    for (Index i = 0; i < rows; i += 3) f(i, i % k) = T{0};
    Matrix<T> p(rows, k);
    for (Index i = 0; i < rows * k; ++i) p.data()[i] = static_cast<T>(0.3 * static_cast<double>(i % 11));
    std::vector<double> gram(static_cast<std::size_t>(k * k), 0.0);
    Workspace<T> work;
    add_gram<T>(e.ht.view(), gram.data(), work);
    for (Index c = 0; c < k; ++c)
      gram[static_cast<std::size_t>(c * k + 4)] = gram[static_cast<std::size_t>(4 * k + c)] = 0;  // a dead component
    const std::vector<T> gram_T(gram.begin(), gram.end());
    std::vector<Index> order;
    for (Index i = 0; i < k; ++i) order.push_back((3 + i * 11) % k);
    const double l1 = 0.25;
    std::vector<double> expected(f.span().begin(), f.span().end());
    double violation = 0;
    for (Index i = 0; i < rows; ++i) {
      double* const row = &expected[static_cast<std::size_t>(i * k)];
      for (const Index t : order) {
        double g = -(static_cast<double>(p(i, t)) - l1);
        for (Index r = 0; r < k; ++r) g += static_cast<double>(gram_T[static_cast<std::size_t>(t * k + r)]) * row[r];
        violation += row[t] == 0 ? std::abs(std::min(g, 0.0)) : std::abs(g);
        const double diagonal = static_cast<double>(gram_T[static_cast<std::size_t>(t * k + t)]);
        if (diagonal != 0) row[t] = std::max(row[t] - g / diagonal, 0.0);
      }
    }
    const double actual = sweep_rows<T>(f.view(), p.view(), l1, gram_T.data(), order.data(), work);
    expect_near<T>(f.view(), expected, "swept rows");
    EXPECT_NEAR(actual, violation, tolerance<T> * violation);
  }
}

TYPED_TEST(Operations, MultiplicativeUpdateGuardsZeroDenominators) {
  using T = TypeParam;
  Matrix<T> f(1, 4, T(2));
  Matrix<T> n(1, 4, T(3));
  Matrix<T> d(1, 4, T(0));
  d(0, 1) = T(4);
  f(0, 2) = T(0);
  multiply_rows<T>(f.view(), n.view(), d.view(), 0, 0, 1, 0);
  EXPECT_NEAR(static_cast<double>(f(0, 0)), 2 * 3 / division_guard, 1e3);
  EXPECT_NEAR(static_cast<double>(f(0, 1)), 1.5, 1e-6);
  EXPECT_EQ(f(0, 2), T(0));
  Matrix<T> g(1, 2, T(2));
  Matrix<T> small(1, 2, T(1e-17));
  Matrix<T> one(1, 2, T(1));
  multiply_rows<T>(g.view(), small.view(), one.view(), 0.5, 0.25, 0.5,
                   zero_threshold);  // 2·√(1e-17/2) stays, above the threshold
  EXPECT_NEAR(static_cast<double>(g(0, 0)), 2 * std::sqrt(0.5e-17), 1e-12);
  multiply_rows<T>(g.view(), small.view(), one.view(), 0, 0, 1, zero_threshold);
  EXPECT_EQ(g(0, 0), T(0));
}

TYPED_TEST(Operations, MultiplicativeUpdateOfDenormalNumbersIsFinite) {
  using T = TypeParam;
  using Limits = std::numeric_limits<T>;
  Matrix<T> f(1, 3, Limits::denorm_min() * T(1000));
  f(0, 1) = T(0);
  Matrix<T> n(1, 3, T(1));
  n(0, 2) = Limits::quiet_NaN();
  const Matrix<T> d(1, 3, Limits::denorm_min());
  multiply_rows<T>(f.view(), n.view(), d.view(), 0, 0, 1, 0);
  EXPECT_GT(f(0, 0), T(0));
  EXPECT_LT(f(0, 0), T(1));
  EXPECT_EQ(f(0, 1), T(0));
  EXPECT_TRUE(std::isnan(f(0, 2)));  // is found by the check of factors
}

}  // namespace
}  // namespace scanmf