// Weighted operations on tiles where not everything is observed, against loops that follow the formulas.
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "linalg/tile_example.hpp"
#include "scanmf/solver/loss.hpp"

namespace scanmf {
namespace {

using test::Example;
using test::expect_near;
using test::guarded;
using test::times_ht;
using test::transposed_times_w;

template <class T>
class ObservedOperations : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(ObservedOperations, Types);

/// Hides a share of the elements of e: NaN or 0 in the dense tile, not stored or 0 in the sparse one. Whether each is
/// seen.
template <Scalar T>
std::vector<bool> hide(Example<T>& e, Observed observed, double share) {
  std::mt19937 engine(3);
  std::vector<bool> seen(e.x.size());
  Matrix<T> x(e.rows, e.columns);
  e.row_begin.assign(1, 0);
  e.column.clear();
  e.value.clear();
  for (Index i = 0; i < e.rows; ++i) {
    for (Index j = 0; j < e.columns; ++j) {
      const auto at = static_cast<std::size_t>(i * e.columns + j);
      seen[at] = engine() % 1000 >= 1000 * share;
      const T hidden = observed == Observed::not_nan ? std::numeric_limits<T>::quiet_NaN() : T{0};
      x(i, j) = seen[at] ? static_cast<T>(e.x[at]) : hidden;
      if (!seen[at] && (observed == Observed::not_nan || (i + j) % 2 == 0)) continue;
      e.column.push_back(static_cast<std::int32_t>(j));
      e.value.push_back(x(i, j));
    }
    e.row_begin.push_back(static_cast<Index>(e.column.size()));
  }
  test::pack_rows<T>(x.view(), 0, e.rows, e.rows, e.packed.data());
  return seen;
}

template <Scalar T>
void set_gram(const Example<T>& e, RightFactor<T>& h, Workspace<T>& work) {
  std::vector<double> gram(static_cast<std::size_t>(e.k * e.k), 0.0);
  add_gram<T>(e.ht.view(), gram.data(), work);
  h.set_gram(gram);
}

/// Rows with weights: what is not observed has no part in any sum.
template <Scalar T>
void check_observed(Index rows, Index columns, Index k, double beta, Observed observed, double share) {
  SCOPED_TRACE(::testing::Message() << rows << " x " << columns << ", k " << k << ", beta " << beta << ", " << share);
  Example<T> e(rows, columns, k, 1, static_cast<unsigned>(rows + columns + k));
  const std::vector<bool> seen = hide(e, observed, share);
  std::vector<T> weight(static_cast<std::size_t>(rows));
  for (std::size_t i = 0; i < weight.size(); ++i) weight[i] = static_cast<T>(0.5 + 0.25 * static_cast<double>(i % 7));
  std::vector<double> q_elements;
  std::vector<double> r_elements;
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < columns; ++j) {
      const double y = e.product(i, j);
      const bool is_seen = seen[static_cast<std::size_t>(i * columns + j)];
      q_elements.push_back(is_seen ? e.at(i, j) * std::pow(beta < 2 ? guarded(y) : y, beta - 2) : 0);
      r_elements.push_back(is_seen ? std::pow(y, beta - 1) : 0);
    }
  }
  const auto q = [&](Index i, Index j) { return q_elements[static_cast<std::size_t>(i * columns + j)]; };
  const auto r = [&](Index i, Index j) { return r_elements[static_cast<std::size_t>(i * columns + j)]; };
  const auto weighted = [&](auto element) {
    return [&weight, element](Index i, Index j) {
      return static_cast<double>(weight[static_cast<std::size_t>(i)]) * element(i, j);
    };
  };
  const auto check = [&](auto tile, StorageKind kind, bool subsets, bool gram) {
    tile.observed = observed;
    tile.weights = weight.data();
    const Loss loss = loss_of(beta).where(kind, observed);
    RightFactor<T> h(kind, columns, k, gram, subsets);
    h.assign(e.ht.view());
    Workspace<T> work;
    if (gram) set_gram(e, h, work);
    Matrix<T> n(rows, k, T{7});
    Matrix<T> d(rows, k, T{7});
    project_weighted<T>(tile, e.w.view(), h, *loss.weights, n.view(), d.view(), work);
    expect_near<T>(n.view(), times_ht(e, q), "numerator of W");
    expect_near<T>(d.view(), times_ht(e, r), "denominator of W");
    Accumulator<T> numerator(kind, columns, k);
    Accumulator<T> denominator(denominator_kind(kind, observed), columns, k);
    numerator.set_zero();
    denominator.set_zero();
    accumulate_weighted<T>(tile, e.w.view(), h, *loss.weights, numerator, denominator, work);
    Matrix<T> total(columns, k);
    numerator.copy_to(total.view());
    expect_near<T>(total.view(), transposed_times_w(e, weighted(q)), "numerator of H");
    denominator.copy_to(total.view());
    expect_near<T>(total.view(), transposed_times_w(e, weighted(r)), "denominator of H");
  };
  for (const bool subsets : {false, true})  // with and without sums that are looked up
    check(e.dense(), StorageKind::dense, subsets, false);
  if (beta == 2) check(e.dense(), StorageKind::dense, false, true);
  if (observed == Observed::not_zero) check(e.csr(), StorageKind::csr, false, false);
}

TYPED_TEST(ObservedOperations, WhatIsNotObservedHasNoPart) {
  for (const Observed observed : {Observed::not_nan, Observed::not_zero}) {
    for (const double share : {0.0, 0.05, 0.4, 1.0}) {
      for (const double beta : {1.0, 2.0, 1.5}) check_observed<TypeParam>(13, 37, 5, beta, observed, share);
      for (const Index k : {33, 70, 150}) check_observed<TypeParam>(13, 37, k, 1, observed, share);  // sums in parts
      for (const double beta : {2.0, 1.5}) check_observed<TypeParam>(13, 37, 40, beta, observed, share);
      check_observed<TypeParam>(60, 21, 40, 1, observed, share);  // more elements than are ordered at a time
      for (const Index rows : {1, 2, 4, 92, 96, 97, 130}) check_observed<TypeParam>(rows, 21, 6, 1, observed, share);
      for (const Index columns : {1, 15, 16, 17, 63, 64, 65, 130})
        check_observed<TypeParam>(7, columns, 9, 1, observed, share);
    }
  }
}

TYPED_TEST(ObservedOperations, DenominatorsKeepTheirDigitsWhereLittleIsLeftOfAll) {
  using T = TypeParam;
  Example<T> e(9, 40, 6, 1, 3);
  for (Index c = 0; c < e.k; ++c) e.ht(1, c) *= T{3e4};  // of all sums of a row 1e-9 come from other columns
  Matrix<T> x(e.rows, e.columns);
  for (Index i = 0; i < e.rows; ++i)
    for (Index j = 0; j < e.columns; ++j) x(i, j) = static_cast<T>(e.at(i, j));
  const auto is_missing = [](Index i, Index j) { return j == 1 && i % 2 == 0; };
  for (Index i = 0; i < e.rows; i += 2) x(i, 1) = std::numeric_limits<T>::quiet_NaN();
  test::pack_rows<T>(x.view(), 0, e.rows, e.rows, e.packed.data());
  DenseTile<T> tile = e.dense();
  tile.observed = Observed::not_nan;
  RightFactor<T> h(StorageKind::dense, e.columns, e.k, true);
  h.assign(e.ht.view());
  Workspace<T> work;
  set_gram(e, h, work);
  Matrix<T> n(e.rows, e.k);
  Matrix<T> d(e.rows, e.k);
  const Loss loss = loss_of(2).where(StorageKind::dense, Observed::not_nan);
  project_weighted<T>(tile, e.w.view(), h, *loss.weights, n.view(), d.view(), work);
  const std::vector<double> expected =
      times_ht(e, [&](Index i, Index j) { return is_missing(i, j) ? 0 : e.product(i, j); });
  for (Index i = 0; i < e.rows; ++i)
    for (Index c = 0; c < e.k; ++c) {
      const double value = expected[static_cast<std::size_t>(i * e.k + c)];
      EXPECT_NEAR(d(i, c), value, 1e3 * std::numeric_limits<T>::epsilon() * value) << i << " " << c;
    }
}

TYPED_TEST(ObservedOperations, SumsOfStoredElementsDoNotDependOnTheirOrder) {
  using T = TypeParam;
  for (const double share : {0.0, 0.3}) {
    for (const double beta : {1.0, 2.0}) {
      Example<T> e(70, 21, 40, 1, 5);
      hide(e, Observed::not_zero, share);
      RightFactor<T> h(StorageKind::csr, e.columns, e.k);
      h.assign(e.ht.view());
      Workspace<T> work;
      const auto sums_of = [&](Index rows_at_a_time) {  // one row has too few elements to be ordered by columns
        Accumulator<T> numerator(StorageKind::csr, e.columns, e.k);
        Accumulator<T> denominator(StorageKind::csr, e.columns, e.k);
        numerator.set_zero();
        denominator.set_zero();
        for (Index i = 0; i < e.rows; i += rows_at_a_time) {
          CsrTile<T> tile = e.csr();
          tile.observed = Observed::not_zero;
          tile.rows = std::min(rows_at_a_time, e.rows - i);
          tile.row_begin += i;
          accumulate_weighted<T>(tile, e.w.view().middle_rows({i, i + tile.rows}), h,
                                 *loss_of(beta).where(StorageKind::csr, Observed::not_zero).weights, numerator,
                                 denominator, work);
        }
        Matrix<T> totals(2 * e.columns, e.k);
        numerator.copy_to(totals.view().middle_rows({0, e.columns}));
        denominator.copy_to(totals.view().middle_rows({e.columns, 2 * e.columns}));
        return totals;
      };
      EXPECT_TRUE(std::ranges::equal(sums_of(e.rows).span(), sums_of(1).span())) << share << " " << beta;
    }
  }
}

}  // namespace
}  // namespace scanmf
