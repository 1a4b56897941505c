#include "data/packing.hpp"

#include <cstring>
#include "scanmf/core/team.hpp"

namespace scanmf::data {

template <Scalar T>
void PackedRows<T>::put(Index first_row, Index first_column, MatrixView<const T> part) const {
  const Index last_column = first_column + part.columns;
  const Index padding_end = last_column == columns ? padded_columns<T>(columns) : last_column;
  // Strip by strip, so that what is written is contiguous.
  for (Index row = 0, rows = 0; row < part.rows; row += rows) {
    rows = std::min(part.rows - row, tile_rows - (first_row + row) % tile_rows);
    for (Index j = first_column, run = 0; j < padding_end; j += run) {
      T* to = place(first_row + row, j, run);
      const Index width = j % strip_columns<T> + run;  // of the strip
      run = std::min(run, padding_end - j);
      const Index filled = std::clamp<Index>(last_column - j, 0, run);
      const T* from = part.row(row) + (j - first_column);
      if (filled == strip_columns<T>) {
        for (Index i = 0; i < rows; ++i)
          std::memcpy(to + i * strip_columns<T>, from + i * part.stride, strip_columns<T> * sizeof(T));
        continue;
      }
      for (Index i = 0; i < rows; ++i, to += width) {
        std::copy_n(from + i * part.stride, filled, to);
        std::fill_n(to + filled, run - filled, T{0});
      }
    }
  }
}

template <Scalar T>
void PackedRows<T>::put_sparse(Index first_row, const CsrBlock<T>& rows) const {
  const Index padded = padded_columns<T>(columns);
  Team().for_each(rows.rows, [&](Index i) {
    Index next = rows.row_begin[i];
    Index run = 0;
    for (Index j = 0; j < padded; j += run) {
      T* const to = place(first_row + i, j, run);
      std::fill_n(to, run, T{0});
      for (; next < rows.row_begin[i + 1] && rows.column[next] < j + run; ++next)
        to[rows.column[next] - j] = rows.value[next];
    }
  });
}

template struct PackedRows<float>;
template struct PackedRows<double>;

}  // namespace scanmf::data
