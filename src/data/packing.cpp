#include "data/packing.hpp"

namespace scanmf::data {

template <Scalar T>
void PackedRows<T>::put(Index first_row, Index first_column, MatrixView<const T> part) const {
  const Index last_column = first_column + part.columns;
  const Index padding_end = last_column == columns ? padded_columns<T>(columns) : last_column;
  for (Index i = 0; i < part.rows; ++i) {
    Index run = 0;
    for (Index j = first_column; j < padding_end; j += run) {
      T* const to = place(first_row + i, j, run);
      run = std::min(run, padding_end - j);
      const Index filled = std::clamp<Index>(last_column - j, 0, run);
      std::copy_n(part.row(i) + (j - first_column), filled, to);
      std::fill_n(to + filled, run - filled, T{0});
    }
  }
}

template struct PackedRows<float>;
template struct PackedRows<double>;

}  // namespace scanmf::data
