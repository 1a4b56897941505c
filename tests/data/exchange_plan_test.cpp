#include "data/exchange_plan.hpp"

#include <gtest/gtest.h>

#include <numeric>
#include <tuple>

namespace scanmf::data {
namespace {

/// High chunks are read in turns, low ones by whoever gets the position in their middle.
void check_readers(const ExchangePlan& plan, Index positions, Index height) {
  const int ranks = plan.partition().ranks();
  Index longest = 0;  // piece of a rank
  std::vector<int> owner(static_cast<std::size_t>(positions), -1);
  for (Index batch = 0; batch < plan.partition().batches(); ++batch)
    for (int rank = 0; rank < ranks; ++rank) {
      Index piece = 0;
      for (Index step = plan.steps_of(batch).begin; step < plan.steps_of(batch).end; ++step) {
        const Range own = plan.positions(step, rank);
        std::fill(owner.begin() + own.begin, owner.begin() + own.end, rank);
        piece += own.size();
      }
      longest = std::max(longest, piece);
    }
  EXPECT_EQ(plan.in_turns(height), height > longest);
  for (Index chunk = 0; chunk * height < positions; ++chunk) {
    const Index middle = std::min(positions - 1, chunk * height + height / 2);
    const int expected = height > longest ? static_cast<int>(chunk % ranks) : owner[static_cast<std::size_t>(middle)];
    EXPECT_EQ(plan.reader_of(chunk, height), expected) << "chunk " << chunk << " of " << height;
  }
  bool cut = false;
  for (std::size_t p = 1; p < owner.size(); ++p)
    cut = cut || (owner[p] != owner[p - 1] && static_cast<Index>(p) % height != 0);
  if (cut) EXPECT_TRUE(plan.cuts(height)) << height;
  if (plan.cuts(height)) EXPECT_GT(height, 1);
}

/// Every position goes to its owner exactly once, read by one rank a chunk, within what the plan says is most.
void check(const ExchangePlan& plan, Index positions, Index height) {
  const RowPartition& partition = plan.partition();
  check_readers(plan, positions, height);
  std::vector<int> reads(static_cast<std::size_t>(positions), 0);
  for (Index step = 0; step < plan.steps(); ++step) {
    std::vector<Index> sent(static_cast<std::size_t>(partition.ranks()), 0);
    for (int reader = 0; reader < partition.ranks(); ++reader) {
      Index count = 0;
      Index foreign = 0;
      plan.for_each_read(step, reader, height, [&](int owner, Range run, Index place) {
        EXPECT_EQ(place, foreign);
        EXPECT_EQ(run.begin / height, (run.end - 1) / height);
        EXPECT_EQ(plan.reader_of(run.begin / height, height), reader);
        const Range own = plan.positions(step, owner);
        EXPECT_TRUE(own.begin <= run.begin && run.end <= own.end);
        for (Index p = run.begin; p < run.end; ++p) ++reads[static_cast<std::size_t>(p)];
        count += run.size();
        foreign += owner == reader ? 0 : run.size();
        sent[static_cast<std::size_t>(owner)] += run.size();
      });
      EXPECT_EQ(plan.count_read(step, reader, height), count);
      EXPECT_LE(foreign, plan.most_sent(height));
      Index seen = 0;
      Index sent_before = 0;
      for (auto next = plan.next_read(step, reader, height, 0); !next.positions.empty();
           next = plan.next_read(step, reader, height, next.positions.end)) {
        const Range own = plan.positions(step, reader);
        const Index own_part =
            std::max<Index>(0, std::min(own.end, next.positions.end) - std::max(own.begin, next.positions.begin));
        EXPECT_EQ(next.place, sent_before);
        EXPECT_EQ(next.positions.begin / height, (next.positions.end - 1) / height);
        seen += next.positions.size();
        sent_before += next.positions.size() - own_part;
      }
      EXPECT_EQ(seen, count);
      EXPECT_EQ(sent_before, foreign);
    }
    for (int owner = 0; owner < partition.ranks(); ++owner) {
      EXPECT_EQ(sent[static_cast<std::size_t>(owner)], plan.positions(step, owner).size());
      EXPECT_LE(plan.positions(step, owner).size(), plan.most_received());
    }
  }
  EXPECT_EQ(reads, std::vector<int>(reads.size(), 1));
}

TEST(ExchangePlan, Rows) {
  for (const auto& [rows, batch_rows, tile_rows] :
       std::vector<std::tuple<Index, Index, Index>>{{1000, 128, 2}, {999, 100, 7}, {50, 10, 10}, {7, 7, 1}})
    for (const int ranks : {1, 2, 3, 8})
      for (const Index tiles : {1, 2, 5, 100})
        for (const Index height : {1, 30, 100, 256, 5000}) {
          const RowPartition partition(rows, batch_rows, tile_rows, 1, ranks);
          const ExchangePlan plan(partition, tiles * tile_rows);
          check(plan, rows, height);
          for (int rank = 0; rank < ranks; ++rank)
            for (Index batch = 0; batch < partition.batches(); ++batch) {
              Index next = partition.piece(batch, rank).begin;
              for (Index step = plan.steps_of(batch).begin; step < plan.steps_of(batch).end; ++step) {
                EXPECT_EQ(plan.batch_of(step), batch);
                EXPECT_EQ(plan.rows(step, rank).begin, next);
                next = plan.rows(step, rank).end;
              }
              EXPECT_EQ(next, partition.piece(batch, rank).end);
            }
        }
}

TEST(ExchangePlan, Elements) {
  const Index rows = 1000, batch_rows = 130, tile_rows = 4;
  std::vector<Index> weights, positions(1, 0);
  for (Index begin = 0; begin < rows; begin += batch_rows)
    for (Index row = begin; row < std::min(rows, begin + batch_rows); row += tile_rows) {
      weights.push_back(row % 3 == 0 ? 0 : row * 7919 % 50);
      positions.push_back(positions.back() + weights.back());
    }
  for (const int ranks : {1, 2, 3, 8})
    for (const Index tiles : {1, 3, 100})
      for (const Index height : {1, 100, 1000, 100000}) {
        const RowPartition partition(rows, batch_rows, tile_rows, 1, ranks, weights);
        check(ExchangePlan(partition, tiles * tile_rows, positions), positions.back(), height);
      }
}

TEST(ExchangePlan, StepsOfAChunk) {
  const RowPartition partition(10000, 1024, 16, 1, 2);
  EXPECT_EQ(ExchangePlan(partition, 512).steps_of_chunk(8192), 8);
  EXPECT_EQ(ExchangePlan(partition, 256).steps_of_chunk(8192), 16);
  EXPECT_EQ(ExchangePlan(partition, 256).steps_of_chunk(600), 2);
  EXPECT_EQ(ExchangePlan(partition, 512).most_chunks(8192), 1);
  EXPECT_EQ(ExchangePlan(partition, 512).most_chunks(300), 3);
}

}  // namespace
}  // namespace scanmf::data
