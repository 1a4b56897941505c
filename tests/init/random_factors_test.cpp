#include <gtest/gtest.h>

#include <cmath>

#include "init/golden_starts.hpp"
#include "init/test_source.hpp"
#include "scanmf/core/random.hpp"
#include "scanmf/init/initial_factors.hpp"

namespace scanmf {
namespace {

template <class T>
void expect_golden(const Communicator& comm, const GoldenStart& start) {
  const TestSource<T> source(comm, start.X, start.sparse ? StorageKind::csr : StorageKind::dense);
  const Factors<T> factors = random_factors<T>(source, start.n_components, start.seed, false);
  EXPECT_LE(largest_difference(gather_rows(source, factors.W), start.W0), start.tolerance * largest_entry(start.W0));
  EXPECT_LE(largest_difference(transposed(factors.Ht), start.H0), start.tolerance * largest_entry(start.H0));
}

TEST(RandomFactors, equal_scikit_learns) {
  const Communicator comm;
  int cases = 0;
  for (const GoldenStart& start : golden_starts()) {
    if (start.init != "random") continue;
    SCOPED_TRACE(start.name);
    ++cases;
    if (start.dtype == DataType::float32)
      expect_golden<float>(comm, start);
    else
      expect_golden<double>(comm, start);
  }
  EXPECT_GE(cases, 10);
}

Matrix<double> counting_matrix(Index rows, Index columns) {
  Matrix<double> x(rows, columns);
  for (Index i = 0; i < rows * columns; ++i) x.data()[i] = static_cast<double>(i % 11);
  return x;
}

/// H, then W, drawn one after the other, with numpy's rounding.
template <class T>
void expect_stream(const Communicator& comm, Index rows, Index columns, Index k, Index batch_rows) {
  const Matrix<double> x = counting_matrix(rows, columns);
  const TestSource<T> source(comm, x, StorageKind::dense, batch_rows);
  const Factors<T> factors = random_factors<T>(source, k, 7, false);
  const Matrix<double> W = gather_rows(source, factors.W);
  LegacyRandom random(7);
  const T mean = static_cast<T>(source.summary().mean(source.shape()));
  const T scale = static_cast<T>(std::sqrt(static_cast<double>(mean) / static_cast<double>(k)));
  for (Index c = 0; c < k; ++c)
    for (Index j = 0; j < columns; ++j) ASSERT_EQ(factors.Ht(j, c), std::abs(scale * static_cast<T>(random.normal())));
  for (Index i = 0; i < rows; ++i)
    for (Index c = 0; c < k; ++c)
      ASSERT_EQ(W(i, c), static_cast<double>(std::abs(scale * static_cast<T>(random.normal()))));
}

TEST(RandomFactors, follow_the_rows_of_X_whatever_the_batches_and_ranks) {
  const Communicator comm;
  for (const Index rows : {1, 2, 3, 70})
    for (const Index batch_rows : {Index{0}, Index{1}, Index{9}})
      for (const Index k : {1, 3}) {
        SCOPED_TRACE(testing::Message() << rows << " rows, batches of " << batch_rows << ", k = " << k);
        expect_stream<double>(comm, rows, 5, k, std::min(batch_rows, rows));
        expect_stream<float>(comm, rows, 4, k, std::min(batch_rows, rows));
      }
}

TEST(RandomFactors, drawn_by_counter_do_not_depend_on_the_partition) {
  const Communicator comm;
  const Matrix<double> x = counting_matrix(50, 6);
  const TestSource<double> whole(comm, x, StorageKind::dense);
  const TestSource<double> batches(comm, x, StorageKind::csr, 7);
  const Factors<double> a = random_factors<double>(whole, 4, 3, true);
  const Factors<double> b = random_factors<double>(batches, 4, 3, true);
  const Matrix<double> W = gather_rows(whole, a.W);
  EXPECT_EQ(largest_difference(W, gather_rows(batches, b.W)), 0);
  EXPECT_EQ(largest_difference(transposed(a.Ht), transposed(b.Ht)), 0);
  const double scale = std::sqrt(whole.summary().mean(whole.shape()) / 4);
  EXPECT_EQ(W(49, 2), std::abs(scale * counter_normal(3, 1, 49 * 4 + 2)));
  EXPECT_EQ(a.Ht(5, 3), std::abs(scale * counter_normal(3, 0, 3 * 6 + 5)));
}

TEST(RandomFactors, of_zeros_are_zeros) {
  const Communicator comm;
  const TestSource<float> source(comm, Matrix<double>(5, 4, 0.0), StorageKind::csr);
  const Factors<float> factors = random_factors<float>(source, 2, 0, false);
  EXPECT_EQ(largest_entry(gather_rows(source, factors.W)), 0);
  EXPECT_EQ(largest_entry(transposed(factors.Ht)), 0);
}

}  // namespace
}  // namespace scanmf
