#include "scanmf/parallel/row_partition.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>

namespace scanmf {
namespace {

/// Every property a partition promises, checked for all batches and ranks.
void expect_valid(const RowPartition& partition) {
  Index next_row = 0;
  std::vector<Index> owned(static_cast<std::size_t>(partition.ranks()), 0);
  for (Index b = 0; b < partition.batches(); ++b) {
    const Range batch = partition.batch(b);
    ASSERT_EQ(batch.begin, b * partition.batch_rows());
    ASSERT_GT(batch.size(), 0);
    ASSERT_LE(batch.size(), partition.batch_rows());
    for (int r = 0; r < partition.ranks(); ++r) {
      const Range piece = partition.piece(b, r);
      ASSERT_EQ(piece.begin, next_row) << "pieces lie in rank order without gaps";
      ASSERT_GE(piece.size(), 0);
      ASSERT_LE(piece.end, batch.end);
      if (piece.end != batch.end)
        ASSERT_EQ((piece.end - batch.begin) % partition.tile_rows(), 0) << "ranks own whole tiles";
      for (Index row = piece.begin; row < piece.end; ++row) ASSERT_EQ(partition.owner(row), r) << "row " << row;
      ASSERT_EQ(partition.local_begin(b, r), owned[static_cast<std::size_t>(r)]);
      owned[static_cast<std::size_t>(r)] += piece.size();
      next_row = piece.end;
    }
    ASSERT_EQ(next_row, batch.end);
  }
  ASSERT_EQ(next_row, partition.rows());
  for (int r = 0; r < partition.ranks(); ++r) ASSERT_EQ(partition.local_rows(r), owned[static_cast<std::size_t>(r)]);
}

void expect_balanced_within(const RowPartition& partition, double tolerance) {
  const double share = static_cast<double>(partition.rows()) / partition.ranks();
  for (int r = 0; r < partition.ranks(); ++r)
    EXPECT_LE(static_cast<double>(partition.local_rows(r)), share * (1 + tolerance));
}

TEST(RowPartition, covers_every_row_once_for_any_shape) {
  for (const Index rows : {1, 2, 7, 50, 64, 1000})
    for (const Index batch_rows : {Index{1}, Index{3}, Index{64}, rows})
      for (const Index tile_rows : {1, 4, 96})
        for (const int ranks : {1, 2, 3, 4, 7, 130}) {
          SCOPED_TRACE(testing::Message() << rows << " rows, batches of " << batch_rows << ", tiles of " << tile_rows
                                          << ", " << ranks << " ranks");
          expect_valid(RowPartition(rows, batch_rows, tile_rows, 1, ranks));
        }
}

TEST(RowPartition, covers_every_row_once_for_any_weights) {
  std::mt19937 random(1);
  for (int trial = 0; trial < 200; ++trial) {
    const Index rows = std::uniform_int_distribution<Index>(1, 300)(random);
    const Index batch_rows = std::uniform_int_distribution<Index>(1, rows)(random);
    const Index tile_rows = std::uniform_int_distribution<Index>(1, 20)(random);
    const Index batches = (rows + batch_rows - 1) / batch_rows;
    std::vector<Index> weights;
    for (Index b = 0; b < batches; ++b) {
      const Index rows_of_batch = std::min(batch_rows, rows - b * batch_rows);
      for (Index t = 0; t * tile_rows < rows_of_batch; ++t)
        weights.push_back(std::max<Index>(0, std::uniform_int_distribution<Index>(-5, 50)(random)));
    }
    SCOPED_TRACE(trial);
    expect_valid(RowPartition(rows, batch_rows, tile_rows, 1, trial % 9 + 1, weights));
  }
}

TEST(RowPartition, ranks_beyond_the_tiles_own_nothing) {
  const RowPartition partition(3, 3, 1, 1, 7);
  expect_valid(partition);
  Index owners = 0;
  for (int r = 0; r < 7; ++r) owners += partition.local_rows(r) > 0 ? 1 : 0;
  EXPECT_EQ(owners, 3);
}

TEST(RowPartition, rows_are_balanced_to_a_tile) {
  const RowPartition partition(10000, 10000, 96, 1, 8);
  for (int r = 0; r < 8; ++r) {
    EXPECT_GE(partition.local_rows(r), 1250 - 96);
    EXPECT_LE(partition.local_rows(r), 1250 + 96);
  }
}

TEST(RowPartition, weights_are_balanced_to_the_heaviest_tile) {
  std::vector<Index> weights(1000);
  for (std::size_t t = 0; t < weights.size(); ++t) weights[t] = static_cast<Index>(t);  // later tiles are heavier
  const RowPartition partition(1000, 1000, 1, 1, 5, weights);
  expect_valid(partition);
  for (int r = 0; r < 5; ++r) {
    const Range piece = partition.piece(0, r);
    const Index share = std::accumulate(weights.begin() + piece.begin, weights.begin() + piece.end, Index{0});
    EXPECT_NEAR(static_cast<double>(share), 999.0 * 1000.0 / 2 / 5, 999.0 * 1000.0 / 2 / 5 / 128 + 1000);
  }
}

TEST(RowPartition, without_any_weight_tiles_are_shared_evenly) {
  const RowPartition partition(100, 100, 1, 1, 4, std::vector<Index>(100, 0));
  expect_valid(partition);
  for (int r = 0; r < 4; ++r) EXPECT_EQ(partition.local_rows(r), 25);
}

TEST(RowPartition, tile_boundaries_do_not_depend_on_ranks) {
  // With tiles of 10 rows, batches of 25: tiles end at 10, 20, 25 | 35, 45, 50 | …
  for (const int ranks : {1, 2, 3, 4, 5}) {
    const RowPartition partition(60, 25, 10, 1, ranks);
    for (Index b = 0; b < 3; ++b)
      for (int r = 0; r < ranks; ++r) {
        const Index offset = partition.piece(b, r).end - partition.batch(b).begin;
        EXPECT_TRUE(offset % 10 == 0 || partition.piece(b, r).end == partition.batch(b).end);
      }
  }
}

TEST(RowPartition, many_batches_take_no_memory_unless_weighted) {
  const Index rows = Index{1'000'000'000'000} + 1;
  const RowPartition partition(rows, 1024, 16, 1, 64);
  EXPECT_EQ(partition.batches(), rows / 1024 + 1);
  EXPECT_EQ(partition.piece(1'000'000, 63).end, 1'000'001 * 1024);
  EXPECT_EQ(partition.local_begin(1'000'000, 63), 1'000'000 * 16);
  Index total = 0;
  for (int r = 0; r < 64; ++r) total += partition.local_rows(r);
  EXPECT_EQ(total, rows);
}

TEST(RowPartition, strata_are_cut_by_weights_whatever_the_ranks) {
  std::vector<Index> weights(100, 1);
  weights[3] = 300;  // one tile costs as much as most others
  const RowPartition one(1000, 1000, 10, 25, 1, weights);
  EXPECT_EQ(std::vector<Index>(one.first_tiles().begin(), one.first_tiles().end()),
            (std::vector<Index>{0, 3, 4, 4, 100}));
  for (const int ranks : {1, 2, 3, 4, 9}) {
    const RowPartition partition(1000, 1000, 10, 25, ranks, weights);
    expect_valid(partition);
    EXPECT_TRUE(std::ranges::equal(partition.first_tiles(), one.first_tiles()));
  }
}

TEST(RowPartition, ranks_own_whole_strata) {
  for (const Index tiles_a_stratum : {1, 2, 5})
    for (const Index batch_rows : {Index{60}, Index{200}})
      for (const int ranks : {1, 2, 3, 7, 30}) {
        const RowPartition partition(200, batch_rows, 4, tiles_a_stratum, ranks);
        expect_valid(partition);
        EXPECT_EQ(partition.strata(), (batch_rows + 4 * tiles_a_stratum - 1) / (4 * tiles_a_stratum));
        for (int r = 0; r < ranks; ++r)
          EXPECT_EQ(partition.piece(0, r).begin,
                    std::min(batch_rows, partition.strata_of(r).begin * 4 * tiles_a_stratum));
      }
}

TEST(RowPartition, cuts_keep_to_nodes_of_the_tree) {
  const RowPartition partition(6400, 6400, 10, 10, 3);  // 64 strata
  EXPECT_EQ(std::vector<Index>(partition.cuts().begin(), partition.cuts().end()), (std::vector<Index>{0, 21, 43, 64}));
  const RowPartition many(64000, 64000, 10, 10, 3);  // 640 strata
  EXPECT_EQ(std::vector<Index>(many.cuts().begin(), many.cuts().end()), (std::vector<Index>{0, 214, 428, 640}));
}

TEST(RowPartition, equal_strata_are_shared_out_in_powers_of_two) {
  const RowPartition partition(100'000'000, 100'000'000, 90, 17, 64);  // 65,360 strata, a little less than 2^16
  for (int r = 0; r < 63; ++r) EXPECT_EQ(partition.strata_of(r).size(), 1024);
  expect_balanced_within(partition, 0.01);
}

TEST(RowPartition, rows_of_a_part_stay_where_they_are) {
  const RowPartition whole(1000, 1000, 10, 2, 3);  // strata of 20 rows
  std::vector<Index> counts;
  for (Index s = 0; s < whole.strata(); ++s) counts.push_back(s % 7 == 0 ? 0 : s % 5 + 1);
  const RowPartition part(whole, counts);
  EXPECT_EQ(part.rows(), std::accumulate(counts.begin(), counts.end(), Index{0}));
  EXPECT_FALSE(part.is_regular());
  Index next = 0;
  for (int r = 0; r < 3; ++r) {
    EXPECT_EQ(part.strata_of(r), whole.strata_of(r));
    EXPECT_EQ(part.piece(0, r).begin, next);
    next = part.piece(0, r).end;
    for (Index row = part.piece(0, r).begin; row < next; ++row) EXPECT_EQ(part.owner(row), r);
  }
  EXPECT_EQ(next, part.rows());
}

TEST(RowPartition, of_no_rows_has_no_batches) {
  const RowPartition partition(0, 10, 4, 1, 3);
  EXPECT_EQ(partition.batches(), 0);
  for (int r = 0; r < 3; ++r) EXPECT_EQ(partition.local_rows(r), 0);
}

TEST(RowPartition, sizes_beyond_32_bits) {
  const Index rows = Index{5'000'000'000};
  std::vector<Index> weights(50'000, Index{1} << 40);
  const RowPartition partition(rows, rows, 100'000, 1, 1000, weights);
  Index total = 0;
  for (int r = 0; r < 1000; ++r) total += partition.local_rows(r);
  EXPECT_EQ(total, rows);
  EXPECT_EQ(partition.piece(0, 500).begin, rows / 2);
}

}  // namespace
}  // namespace scanmf
