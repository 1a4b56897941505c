#include "ensemble/resampled_source.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "ensemble/elements.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/random.hpp"
#include "scanmf/data/rows_in_memory.hpp"

namespace scanmf {
namespace {

constexpr Resampling all_kinds[] = {Resampling::poisson, Resampling::multinomial, Resampling::uniform};

struct Moments {
  double mean = 0;
  double variance = 0;
};

Moments moments_of(const std::vector<double>& values) {
  const auto count = static_cast<double>(values.size());
  Moments moments{std::accumulate(values.begin(), values.end(), 0.0) / count, 0};
  for (const double value : values) moments.variance += (value - moments.mean) * (value - moments.mean) / count;
  return moments;
}

/// The first element of many rows that are all like `row`, each drawn with its number.
Moments moments_of_draws(const Resample& how, const std::vector<double>& row) {
  std::vector<double> drawn;
  for (Index i = 0; i < 20000; ++i) {
    std::vector<double> values = row;
    resample_row<double>(how, i, nullptr, values);
    drawn.push_back(values.front());
  }
  return moments_of(drawn);
}

void expect_moments(const Moments& found, double mean, double variance) {
  EXPECT_NEAR(found.mean, mean, 5 * std::sqrt(variance / 20000));
  // The fourth moment of a Poisson number of mean 0.3 is 1/0.3 + 3 times the squared variance; others have less.
  EXPECT_NEAR(found.variance, variance, 5 * variance * std::sqrt(6.4 / 20000));
}

TEST(Resampling, HasTheMeanAndVarianceOfItsDistribution) {
  for (const double mean : {0.3, 5.0, 40.0, 1e6})
    expect_moments(moments_of_draws({Resampling::poisson, 0, 1}, {mean, 2.0}), mean, mean);
  for (const double share : {0.01, 0.5, 0.9}) {
    const double n = 300;
    expect_moments(
        moments_of_draws({Resampling::multinomial, 0, 1}, {share * n, 0, (1 - share) * n / 3, (1 - share) * n * 2 / 3}),
        share * n, n * share * (1 - share));
  }
  expect_moments(moments_of_draws({Resampling::uniform, 0.2, 1}, {3.0}), 3, 9 * 0.04 / 3);
}

/// Correlation of the draws of neighbours.
double correlation(const std::vector<double>& a, const std::vector<double>& b) {
  const Moments of_a = moments_of(a);
  const Moments of_b = moments_of(b);
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - of_a.mean) * (b[i] - of_b.mean);
  return sum / static_cast<double>(a.size()) / std::sqrt(of_a.variance * of_b.variance);
}

TEST(Resampling, ElementsAndSeedsAreIndependent) {
  constexpr Index count = 4000;
  const auto drawn = [](Resampling kind, std::uint32_t seed, Index row, Index column) {
    std::vector<double> values{4.0};
    const auto place = static_cast<std::int32_t>(column);
    resample_row<double>({kind, 0.3, seed}, row, &place, values);
    return values.front();
  };
  for (const Resampling kind : {Resampling::poisson, Resampling::uniform}) {
    std::vector<double> here, right, below, other;
    for (Index i = 0; i < count; ++i) {
      here.push_back(drawn(kind, 1, i, 5));
      right.push_back(drawn(kind, 1, i, 6));
      below.push_back(drawn(kind, 1, i + 1, 5));
      other.push_back(drawn(kind, 2, i, 5));
    }
    for (const auto* neighbour : {&right, &below, &other})
      EXPECT_NEAR(correlation(here, *neighbour), 0, 5 / std::sqrt(static_cast<double>(count)));
  }
}

TEST(Resampling, MultinomialKeepsTheSumsOfRows) {
  LegacyRandom random(3);
  for (Index i = 0; i < 200; ++i) {
    std::vector<float> row(50);
    for (float& value : row) value = static_cast<float>(random.below_or_equal(i % 2 == 0 ? 3 : 1000));
    const float sum = std::accumulate(row.begin(), row.end(), 0.0F);
    resample_row<float>({Resampling::multinomial, 0, 7}, i, nullptr, row);
    EXPECT_EQ(std::accumulate(row.begin(), row.end(), 0.0F), sum);
  }
  std::vector<double> row{0.5, 1.2, 0, 0.9};  // 2.6
  resample_row<double>({Resampling::multinomial, 0, 7}, 0, nullptr, row);
  EXPECT_EQ(std::accumulate(row.begin(), row.end(), 0.0), 3);
}

TEST(Resampling, UniformStaysWithinItsWidth) {
  for (Index i = 0; i < 1000; ++i) {
    std::vector<double> row{2.0, 0.0};
    resample_row<double>({Resampling::uniform, 0.1, 5}, i, nullptr, row);
    EXPECT_GE(row[0], 1.8);
    EXPECT_LE(row[0], 2.2);
    EXPECT_EQ(row[1], 0);
  }
}

/// X of the test: counts, every third one 0.
std::vector<double> counts(Index rows, Index columns) {
  LegacyRandom random(2);
  std::vector<double> x(static_cast<std::size_t>(rows * columns));
  for (double& value : x) value = random.below_or_equal(2) == 0 ? 0 : 1 + random.below_or_equal(20);
  return x;
}

std::unique_ptr<DataSource<double>> source_of(const Communicator& comm, const std::vector<double>& x, Index columns,
                                              bool sparse, Index batch_rows) {
  LoadOptions options;
  options.batch_rows = batch_rows;
  options.dense_from = 2;  // what is sparse stays so
  const Index rows = comm.is_root() ? static_cast<Index>(x.size()) / columns : 0;
  if (!sparse)
    return source_from_rows<double>(comm, DenseRows{x.data(), ElementType::float64, rows, columns, 8 * columns, 8},
                                    options);
  std::vector<double> values;
  std::vector<std::int64_t> indices, bounds{0};
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < columns; ++j) {
      if (x[static_cast<std::size_t>(i * columns + j)] == 0) continue;
      values.push_back(x[static_cast<std::size_t>(i * columns + j)]);
      indices.push_back(j);
    }
    bounds.push_back(static_cast<std::int64_t>(values.size()));
  }
  const SparseRows local{false,
                         rows,
                         columns,
                         static_cast<Index>(values.size()),
                         ElementType::float64,
                         ElementType::int64,
                         values.data(),
                         indices.data(),
                         bounds.data()};
  return source_from_rows<double>(comm, local, options);
}

/// All of X, on every rank.
std::vector<double> contents_of(DataSource<double>& x) {
  std::vector<double> all(static_cast<std::size_t>(x.shape().rows * x.shape().columns), 0);
  const auto keep = [&](Index row, Index column, double value) {
    all[static_cast<std::size_t>(row * x.shape().columns + column)] = value;
  };
  for (Index batch = 0; batch < x.partition().batches(); ++batch)
    x.visit(batch, [&](const Block<double>& block) {
      for (Index t = 0; t < block.tiles(); ++t)
        block.tile(t).visit([&](const auto& tile) {
          const Index first = block.global_row + t * block.tile_rows();
          for (Index i = 0; i < tile.rows; ++i) {
            if constexpr (std::is_same_v<std::decay_t<decltype(tile)>, DenseTile<double>>) {
              for_each_place(tile, i, [&](Index j, Index place) { keep(first + i, j, tile.packed[place]); });
            } else {
              for (Index p = tile.row_begin[i]; p < tile.row_begin[i + 1]; ++p)
                keep(first + i, tile.column[p], tile.value[p]);
            }
          }
        });
    });
  x.communicator().allreduce_sum(std::span(all));
  return all;
}

TEST(ResampledSource, IsTheSameHoweverXIsHeld) {
  const Communicator comm;
  constexpr Index rows = 150;
  constexpr Index columns = 70;
  const std::vector<double> x = counts(rows, columns);
  for (const Resampling kind : all_kinds) {
    const Resample how{kind, 0.015, 11};
    std::vector<double> expected = x;
    for (Index i = 0; i < rows; ++i)
      resample_row<double>(how, i, nullptr,
                           std::span(expected).subspan(static_cast<std::size_t>(i * columns), columns));
    EXPECT_NE(expected, x);
    for (const bool sparse : {false, true}) {
      for (const Index batch_rows : {Index{0}, Index{64}}) {
        const auto whole = source_of(comm, x, columns, sparse, batch_rows);
        ASSERT_EQ(whole->kind(), sparse ? StorageKind::csr : StorageKind::dense);
        for (const bool keep : {false, true}) {
          ResampledSource<double> drawn(*whole, how, keep);
          EXPECT_EQ(contents_of(drawn), expected);
          EXPECT_EQ(contents_of(drawn), expected);
          EXPECT_EQ(drawn.summary().positive, std::ranges::count_if(expected, [](double v) { return v > 0; }));
          EXPECT_NEAR(drawn.summary().sum, std::accumulate(expected.begin(), expected.end(), 0.0), 1e-8);
        }
      }
    }
  }
}

TEST(ResampledSource, RefusesXOfWhichNothingIsLeft) {
  const Communicator comm;
  const std::vector<double> x(100, 1e-9);
  const auto whole = source_of(comm, x, 10, false, 0);
  EXPECT_THROW(ResampledSource<double>(*whole, {Resampling::poisson, 0, 1}, true), AgreedError);
  EXPECT_THROW(ResampledSource<double>(*whole, {Resampling::multinomial, 0, 1}, true), AgreedError);
}

TEST(ResampledSource, RefusesCountsThatAreNotExact) {
  const Communicator comm;
  const std::vector<double> x(100, 1e16);
  const auto whole = source_of(comm, x, 10, false, 0);
  EXPECT_THROW(check_resampling(*whole, Resampling::poisson), AgreedError);
  EXPECT_NO_THROW(check_resampling(*whole, Resampling::uniform));
}

}  // namespace
}  // namespace scanmf
