// How much of a dense file is read at a time, without files.
#include "data/stream_plan.hpp"

#include <gtest/gtest.h>

namespace scanmf::data {
namespace {

/// Tiles of 100 rows and 10 kB; 25,000 rows a batch.
DenseStreamPlan plan() {
  return {.tile_rows = 100, .tile_bytes = 10000, .longest_piece = 25000, .threads = 2, .unit_rows = 10};
}

TEST(DenseStreamPlan, BlocksAreWholeTilesThatFitTheLimitThePieceAndTheCache) {
  EXPECT_EQ(plan().block_rows_within(1), 100);  // one tile in any case
  EXPECT_EQ(plan().block_rows_within(39999), 300);
  const Index of_cache = thread_bytes / 10000 * 2 * 100;
  EXPECT_EQ(plan().block_rows_within(Index{1} << 40), of_cache);
  DenseStreamPlan high = plan();
  high.unit_rows = 20000;  // a block is as high as a chunk, so that a chunk is not cut
  EXPECT_EQ(high.block_rows_within(Index{1} << 40), 20000);
  high.longest_piece = 450;
  EXPECT_EQ(high.block_rows_within(Index{1} << 40), 500);
}

TEST(DenseStreamPlan, ChunksAreReadOnceWhereTheyFitOrAreKept) {
  DenseStreamPlan chunked = plan();
  EXPECT_EQ(chunked.readings_within(1), 1);  // not chunked
  chunked.chunk_rows = 1000;
  EXPECT_EQ(chunked.readings_within(30000), 4);
  EXPECT_EQ(chunked.limit_for_one_reading(), 100000);
  EXPECT_EQ(chunked.readings_within(chunked.limit_for_one_reading()), 1);
  chunked.chunk_bytes = 7000;  // compressed
  chunked.units_across = 3;
  EXPECT_EQ(chunked.limit_for_one_reading(), 21000);
  EXPECT_EQ(chunked.readings_within(21000), 1);
  EXPECT_EQ(chunked.readings_within(20999), 5);
  EXPECT_EQ(chunked.kept_chunks(1, 21000), 3);
  EXPECT_EQ(chunked.kept_chunks(1, 28000), 4);
  EXPECT_EQ(chunked.kept_chunks(1, 1000000), 5);  // one to spare for each thread
}

}  // namespace
}  // namespace scanmf::data
