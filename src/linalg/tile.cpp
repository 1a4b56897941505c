#include "scanmf/linalg/tile.hpp"

namespace scanmf {

template <Scalar T>
void pack_rows(MatrixView<const T> rows, Index first_row, Index block_rows, Index tile_rows, T* packed) {
  const Index columns = rows.columns;
  const Index padded = padded_columns<T>(columns);
  for (Index i = 0; i < rows.rows; ++i) {
    const Index tile = (first_row + i) / tile_rows;
    const Index row_in_tile = (first_row + i) % tile_rows;
    const Index rows_in_tile = std::min(tile_rows, block_rows - tile * tile_rows);
    T* const tile_begin = packed + tile * tile_rows * padded;
    for (Index j = 0; j < padded; j += strip_columns<T>) {
      const Index width = std::min(strip_columns<T>, padded - j);
      T* const to = tile_begin + j * rows_in_tile + row_in_tile * width;
      const Index filled = std::clamp<Index>(columns - j, 0, width);
      std::copy_n(rows.row(i) + j, filled, to);
      std::fill_n(to + filled, width - filled, T{0});
    }
  }
}

template void pack_rows(MatrixView<const float>, Index, Index, Index, float*);
template void pack_rows(MatrixView<const double>, Index, Index, Index, double*);

}  // namespace scanmf
