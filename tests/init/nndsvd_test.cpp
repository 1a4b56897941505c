#include <gtest/gtest.h>

#include <cmath>

#include "init/golden_starts.hpp"
#include "init/nndsvd_reference.hpp"
#include "init/test_source.hpp"
#include "scanmf/init/initial_factors.hpp"

namespace scanmf {
namespace {

constexpr NndsvdVariant variants[] = {NndsvdVariant::nndsvd, NndsvdVariant::nndsvda, NndsvdVariant::nndsvdar};

NndsvdVariant variant_of(const std::string& name) {
  if (name == "nndsvda") return NndsvdVariant::nndsvda;
  return name == "nndsvdar" ? NndsvdVariant::nndsvdar : NndsvdVariant::nndsvd;
}

/// Largest differences relative to the largest entry.
struct Differences {
  double W, H;
};

template <class T>
Differences compare(TestSource<T>& source, Index k, std::uint32_t seed, NndsvdVariant variant, bool exact,
                    const Matrix<double>& W, const Matrix<double>& H) {
  const Factors<T> factors = nndsvd_factors<T>(source, k, seed, variant, exact);
  std::vector<T> largest(factors.Ht.span().begin(), factors.Ht.span().end());
  source.communicator().allreduce_max(std::span<T>(largest));
  EXPECT_TRUE(std::equal(largest.begin(), largest.end(), factors.Ht.span().begin()))
      << "Ht has the same bits on every rank";
  return {largest_difference(gather_rows(source, factors.W), W) / std::max(largest_entry(W), 1e-300),
          largest_difference(transposed(factors.Ht), H) / std::max(largest_entry(H), 1e-300)};
}

TEST(Nndsvd, equals_scikit_learns) {
  const Communicator comm;
  int cases = 0;
  for (const GoldenStart& start : golden_starts()) {
    if (start.init == "random") continue;
    ASSERT_EQ(start.dtype, DataType::float64);
    ++cases;
    for (const StorageKind kind : {StorageKind::dense, StorageKind::csr}) {
      SCOPED_TRACE(testing::Message() << start.name << (kind == StorageKind::dense ? ", dense" : ", csr in batches"));
      TestSource<double> source(comm, start.X, kind, kind == StorageKind::dense ? start.X.rows() : 7);
      const Differences found =
          compare(source, start.n_components, start.seed, variant_of(start.init), false, start.W0, start.H0);
      EXPECT_LE(found.W, start.tolerance);
      EXPECT_LE(found.H, start.tolerance);
    }
  }
  EXPECT_GE(cases, 10);
}

Matrix<double> random_matrix(Index rows, Index columns, std::uint32_t seed, double density = 1) {
  LegacyRandom random(seed);
  Matrix<double> x(rows, columns);
  for (double& value : x.span()) {
    value = random.uniform();
    if (random.uniform() >= density) value = 0;
  }
  return x;
}

struct Size {
  Index rows, columns, k;
};

// Taller and wider than the sketch, seven passes and four, sketches cut by the smaller side, fewer rows than ranks.
constexpr Size sizes[] = {{40, 25, 4}, {25, 40, 4}, {90, 60, 3}, {60, 90, 3}, {30, 12, 5}, {12, 30, 5},
                          {7, 7, 7},   {3, 9, 2},   {9, 2, 2},   {1, 6, 1},   {6, 1, 1}};

TEST(Nndsvd, equals_the_plain_reference_for_every_shape_and_storage) {
  const Communicator comm;
  for (const auto [rows, columns, k] : sizes)
    for (const double density : {1.0, 0.4}) {
      const Matrix<double> x = random_matrix(rows, columns, 5, density);
      const reference::Svd svd = reference::randomized(x, k, 3);
      for (const NndsvdVariant variant : variants) {
        if (density < 1 && variant == NndsvdVariant::nndsvda) continue;
        const reference::Start start = reference::split(x, svd, k, 3, variant);
        const StorageKind kind =
            (density < 1) == (variant == NndsvdVariant::nndsvdar) ? StorageKind::csr : StorageKind::dense;
        SCOPED_TRACE(testing::Message() << rows << " x " << columns << ", k = " << k << ", density " << density
                                        << ", variant " << static_cast<int>(variant)
                                        << (kind == StorageKind::dense ? ", dense" : ", csr"));
        TestSource<double> source(comm, x, kind, std::min<Index>(rows, 13));
        const Differences found = compare(source, k, 3, variant, false, start.W, start.H);
        EXPECT_LE(found.W, 1e-11);
        EXPECT_LE(found.H, 1e-11);
      }
    }
}

TEST(Nndsvd, in_float32_stays_near_double) {
  const Communicator comm;
  for (const auto [rows, columns, k] : sizes) {
    SCOPED_TRACE(testing::Message() << rows << " x " << columns << ", k = " << k);
    const Matrix<double> x = random_matrix(rows, columns, 5);
    const reference::Start start = reference::split(x, reference::randomized(x, k, 3), k, 3, NndsvdVariant::nndsvda);
    TestSource<float> source(comm, x, StorageKind::dense);
    const Differences found = compare(source, k, 3, NndsvdVariant::nndsvda, false, start.W, start.H);
    EXPECT_LE(found.W, 3e-4);
    EXPECT_LE(found.H, 3e-4);
  }
}

TEST(Nndsvd, of_the_exact_decomposition) {
  const Communicator comm;
  for (const auto [rows, columns, k] : sizes) {
    SCOPED_TRACE(testing::Message() << rows << " x " << columns << ", k = " << k);
    const Matrix<double> x = random_matrix(rows, columns, 8);
    const reference::Start start = reference::split(x, reference::jacobi(x), k, 3, NndsvdVariant::nndsvdar);
    TestSource<double> source(comm, x, StorageKind::dense, std::min<Index>(rows, 13));
    const Differences found = compare(source, k, 3, NndsvdVariant::nndsvdar, true, start.W, start.H);
    EXPECT_LE(found.W, 1e-11);
    EXPECT_LE(found.H, 1e-11);
  }
}

TEST(Nndsvd, exact_decomposition_is_refused_where_it_cannot_be_had) {
  const Communicator comm;
  const Matrix<double> x = random_matrix(10, 6, 1);
  TestSource<double> sparse(comm, x, StorageKind::csr);
  EXPECT_THROW(nndsvd_factors<double>(sparse, 2, 0, NndsvdVariant::nndsvd, true), AgreedError);
  TestSource<double> streamed(comm, x, StorageKind::dense);
  streamed.pretend_to_be_streamed();
  EXPECT_THROW(nndsvd_factors<double>(streamed, 2, 0, NndsvdVariant::nndsvd, true), AgreedError);
}

template <class T>
void expect_zero_columns(const Communicator& comm, const Matrix<double>& x, Index k, Index rank) {
  for (const bool exact : {false, true})
    for (std::uint32_t seed = 0; seed < 3; ++seed) {
      TestSource<T> source(comm, x, StorageKind::dense);
      const Factors<T> factors = nndsvd_factors<T>(source, k, seed, NndsvdVariant::nndsvd, exact);
      const Matrix<double> W = gather_rows(source, factors.W);
      const Matrix<double> H = transposed(factors.Ht);
      for (Index c = 0; c < k; ++c) {
        double sum_W = 0;
        double sum_H = 0;
        for (Index i = 0; i < W.rows(); ++i) sum_W += W(i, c);
        for (Index j = 0; j < H.columns(); ++j) sum_H += H(c, j);
        EXPECT_EQ(sum_W > 0, c < rank) << "component " << c << ", seed " << seed << (exact ? ", exact" : "");
        EXPECT_EQ(sum_H > 0, c < rank);
        EXPECT_TRUE(std::isfinite(sum_W) && std::isfinite(sum_H));
      }
    }
}

TEST(Nndsvd, components_beyond_the_rank_are_zero) {
  const Communicator comm;
  Matrix<double> diagonal(3, 3, 0.0);
  diagonal(0, 0) = 1;
  diagonal(2, 2) = 2;
  expect_zero_columns<double>(comm, diagonal, 3, 2);
  expect_zero_columns<float>(comm, diagonal, 3, 2);
  expect_zero_columns<double>(comm, Matrix<double>(5, 4, 0.0), 2, 0);
  for (const double scale : {1e-3, 1.0, 1e8}) {  // rounding errors must not pass for components, however large X is
    Matrix<double> low_rank = reference::product(random_matrix(30, 3, 1), random_matrix(3, 24, 2));
    for (double& value : low_rank.span()) value *= scale;
    expect_zero_columns<double>(comm, low_rank, 6, 3);
    expect_zero_columns<double>(comm, reference::transposed(low_rank), 6, 3);
    expect_zero_columns<float>(comm, low_rank, 6, 3);
  }
}

// Halves of equal mass: rounding errors, which differ between numbers of ranks and seeds, must not choose.
TEST(Nndsvd, ties_are_decided_by_the_first_of_the_largest_entries) {
  const Communicator comm;
  Matrix<double> x(2, 2, 1.0);
  x(0, 0) = x(1, 1) = 2;  // second singular vectors (1, -1)/√2
  for (std::uint32_t seed = 0; seed < 10; ++seed) {
    TestSource<double> source(comm, x, StorageKind::dense);
    const Factors<double> factors = nndsvd_factors<double>(source, 2, seed, NndsvdVariant::nndsvd, seed == 9);
    const Matrix<double> W = gather_rows(source, factors.W);
    EXPECT_EQ(W(0, 1), 0) << "seed " << seed;
    EXPECT_NEAR(W(1, 1), std::sqrt(0.5), 1e-14);
    EXPECT_EQ(factors.Ht(0, 1), 0);
    EXPECT_NEAR(factors.Ht(1, 1), std::sqrt(0.5), 1e-14);
  }
}

TEST(Nndsvd, fills_follow_the_rows_of_X_when_batches_interleave_ranks) {
  const Communicator comm;
  const Matrix<double> x = random_matrix(64, 5, 2, 0.1);
  TestSource<double> whole(comm, x, StorageKind::csr);
  TestSource<double> batches(comm, x, StorageKind::csr, 5);
  const Factors<double> a = nndsvd_factors<double>(whole, 3, 9, NndsvdVariant::nndsvdar, false);
  const Factors<double> b = nndsvd_factors<double>(batches, 3, 9, NndsvdVariant::nndsvdar, false);
  EXPECT_LE(largest_difference(gather_rows(whole, a.W), gather_rows(batches, b.W)), 1e-12);
  EXPECT_LE(largest_difference(transposed(a.Ht), transposed(b.Ht)), 1e-12);
}

// By counter the sketch is another one. With k + 10 >= min(m, n) it spans everything, so the singular vectors are the
// same.
TEST(Nndsvd, by_counter_does_not_depend_on_the_partition_nor_on_the_sketch_where_that_spans_all) {
  const Communicator comm;
  for (const auto [rows, columns, k] : {Size{40, 25, 4}, Size{25, 40, 4}, Size{9, 2, 2}}) {
    SCOPED_TRACE(testing::Message() << rows << " x " << columns << ", k = " << k);
    const Matrix<double> x = random_matrix(rows, columns, 5, 0.6);
    TestSource<double> whole(comm, x, StorageKind::dense);
    TestSource<double> batches(comm, x, StorageKind::csr, std::min<Index>(rows, 13));
    const Factors<double> a = nndsvd_factors<double>(whole, k, 4, NndsvdVariant::nndsvdar, false, true);
    const Factors<double> b = nndsvd_factors<double>(batches, k, 4, NndsvdVariant::nndsvdar, false, true);
    const Matrix<double> W = gather_rows(whole, a.W);
    EXPECT_LE(largest_difference(W, gather_rows(batches, b.W)), 1e-11);
    EXPECT_LE(largest_difference(transposed(a.Ht), transposed(b.Ht)), 1e-11);

    const Factors<double> other_seed = nndsvd_factors<double>(whole, k, 5, NndsvdVariant::nndsvd, false, true);
    const Factors<double> unfilled = nndsvd_factors<double>(whole, k, 4, NndsvdVariant::nndsvd, false, true);
    const Factors<double> numpy = nndsvd_factors<double>(whole, k, 4, NndsvdVariant::nndsvd, false, false);
    const Matrix<double> zeros_W = gather_rows(whole, unfilled.W);
    const bool spans_all = k + 10 >= std::min(rows, columns);
    if (spans_all) EXPECT_LE(largest_difference(zeros_W, gather_rows(whole, numpy.W)), 1e-11);
    if (!spans_all) EXPECT_GT(largest_difference(zeros_W, gather_rows(whole, other_seed.W)), 1e-7);

    const double mean = whole.summary().mean(whole.shape());
    for (Index i = 0; i < rows; ++i)
      for (Index c = 0; c < k; ++c)
        if (zeros_W(i, c) == 0)
          ASSERT_EQ(W(i, c), std::abs(mean * counter_normal(4, 3, static_cast<std::uint64_t>(i * k + c)) / 100));
    for (Index j = 0; j < columns; ++j)
      for (Index c = 0; c < k; ++c)
        if (unfilled.Ht(j, c) == 0)
          ASSERT_EQ(a.Ht(j, c),
                    std::abs(mean * counter_normal(4, 4, static_cast<std::uint64_t>(c * columns + j)) / 100));
  }
}

TEST(Nndsvd, reads_X_about_once_a_pass) {
  const Communicator comm;
  TestSource<double> tall(comm, random_matrix(90, 60, 1), StorageKind::dense);
  nndsvd_factors<double>(tall, 3, 0, NndsvdVariant::nndsvd, false);
  EXPECT_EQ(tall.visits(), 7 + 3);
  TestSource<double> wide(comm, random_matrix(20, 60, 1), StorageKind::dense);
  nndsvd_factors<double>(wide, 3, 0, NndsvdVariant::nndsvd, false);
  EXPECT_EQ(wide.visits(), 4 + 3);
}

}  // namespace
}  // namespace scanmf
