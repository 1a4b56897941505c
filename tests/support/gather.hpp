#pragma once

#include <type_traits>
#include <vector>

#include "scanmf/data/data_source.hpp"

namespace scanmf::test {

/// Element (row, column) of a block, looked up as its layout says.
template <Scalar T>
T element(const DenseBlock<T>& block, Index row, Index column) {
  const DenseTile<T> tile = block.tile(row / block.tile_rows);
  const Index strip = column / strip_columns<T> * strip_columns<T>;
  const Index width = std::min(strip_columns<T>, padded_columns<T>(block.columns) - strip);
  return tile.packed[strip * tile.rows + row % block.tile_rows * width + column - strip];
}

/// Collective. All of X (row-major) on every rank, taken from the blocks; each element must be handed out exactly once.
template <Scalar T>
std::vector<double> gather(DataSource<T>& source) {
  const Shape shape = source.shape();
  std::vector<double> x(static_cast<std::size_t>(shape.rows * shape.columns), 0);
  for (Index batch = 0; batch < source.partition().batches(); ++batch) {
    source.visit(batch, [&](const Block<T>& block) {
      std::visit(
          [&](const auto& matrix) {
            for (Index i = 0; i < matrix.rows; ++i) {
              double* const row = x.data() + (block.global_row + i) * shape.columns;
              if constexpr (std::is_same_v<std::decay_t<decltype(matrix)>, DenseBlock<T>>) {
                for (Index j = 0; j < shape.columns; ++j) row[j] += static_cast<double>(element(matrix, i, j));
              } else {
                for (Index p = matrix.row_begin[i]; p < matrix.row_begin[i + 1]; ++p)
                  row[matrix.column[p]] += static_cast<double>(matrix.value[p]);
              }
            }
          },
          block.matrix);
    });
  }
  source.communicator().allreduce_sum(std::span<double>(x));
  return x;
}

}  // namespace scanmf::test
