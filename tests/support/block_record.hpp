#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "scanmf/data/matrix_file.hpp"

namespace scanmf::test {

/// Everything that a visit hands out on this rank, as bytes: rows, tiles, elements in their layout.
template <Scalar T>
class Record {
 public:
  void add(const Block<T>& block) {
    std::visit([&](const auto& matrix) { add(block, matrix); }, block.matrix);
    ++blocks;
  }
  std::vector<Index> numbers;
  std::vector<T> values;
  int blocks = 0;

 private:
  void add(const Block<T>& block, const DenseBlock<T>& matrix) {
    for (Index t = 0; t < block.tiles(); ++t) {
      const DenseTile<T> tile = matrix.tile(t);
      numbers.insert(numbers.end(), {block.local_row + t * matrix.tile_rows, block.global_row + t * matrix.tile_rows,
                                     block.first_tile + t, tile.rows});
      values.insert(values.end(), tile.packed, tile.packed + tile.rows * padded_columns<T>(tile.columns));
    }
  }
  void add(const Block<T>& block, const CsrBlock<T>& matrix) {
    for (Index t = 0; t < block.tiles(); ++t) {
      const CsrTile<T> tile = matrix.tile(t);
      numbers.insert(numbers.end(), {block.local_row + t * matrix.tile_rows, block.global_row + t * matrix.tile_rows,
                                     block.first_tile + t, tile.rows});
      for (Index i = 0; i < tile.rows; ++i) numbers.push_back(tile.row_begin[i + 1] - tile.row_begin[i]);
      numbers.insert(numbers.end(), tile.column + tile.row_begin[0], tile.column + tile.row_begin[tile.rows]);
      values.insert(values.end(), tile.value + tile.row_begin[0], tile.value + tile.row_begin[tile.rows]);
    }
  }
};

template <Scalar T>
Record<T> record(DataSource<T>& source, Index batch) {
  Record<T> all;
  source.visit(batch, [&](const Block<T>& block) { all.add(block); });
  return all;
}

template <Scalar T>
void expect_same(const Record<T>& a, const Record<T>& b, const std::string& what) {
  EXPECT_EQ(a.numbers, b.numbers) << what;
  ASSERT_EQ(a.values.size(), b.values.size()) << what;
  if (!a.values.empty())
    EXPECT_EQ(std::memcmp(a.values.data(), b.values.data(), a.values.size() * sizeof(T)), 0) << what;
}

/// Streamed and in memory agree to the bit, in every pass.
template <Scalar T>
void expect_same_sources(const Communicator& comm, const std::string& input, LoadOptions options, Index memory) {
  const std::string what =
      input + " batches of " + std::to_string(options.batch_rows) + " memory " + std::to_string(memory);
  const MatrixDescription description = describe_matrix(comm, input, "NMF");
  const auto loaded = load_matrix<T>(comm, description, options);
  options.memory = memory;
  const auto streamed = open_source<T>(comm, description, options);
  ASSERT_FALSE(streamed->in_memory());
  ASSERT_TRUE(loaded->in_memory());
  EXPECT_EQ(streamed->summary().sum, loaded->summary().sum) << what;
  EXPECT_EQ(streamed->summary().positive, loaded->summary().positive) << what;
  EXPECT_EQ(streamed->summary().stored, loaded->summary().stored) << what;
  for (int pass = 0; pass < 2; ++pass)
    for (Index batch = 0; batch < loaded->partition().batches(); ++batch)
      expect_same(record(*loaded, batch), record(*streamed, batch), what);
}

}  // namespace scanmf::test
