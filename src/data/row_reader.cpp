#include "data/row_reader.hpp"

#include <algorithm>

#include "data/file_watch.hpp"
#include "data/open_array.hpp"

namespace scanmf::data {

template <Scalar T>
struct RowReader<T>::State {
  FileWatch watch;
  std::unique_ptr<Array> array;
  bool transposed;
  Scratch<T> scratch;
};

template <Scalar T>
RowReader<T>::RowReader(const MatrixDescription& description) {
  constexpr Index piece_bytes = Index{64} << 20;
  FileWatch watch(description);
  std::unique_ptr<Array> array = open_matrix_array(description, piece_bytes);
  watch.add(array->facts().files);
  state_ = std::unique_ptr<State>(new State{std::move(watch), std::move(array), description.transposed, {}});
}

template <Scalar T>
RowReader<T>::~RowReader() = default;

template <Scalar T>
Index RowReader<T>::rows_at_a_time(Index most) const {
  const Array& array = *state_->array;
  const Index chunk = array.facts().chunk_rows == 0 ? 1
                      : state_->transposed          ? array.unit_columns()
                                                    : array.facts().chunk_rows;
  return chunk < most ? most / chunk * chunk : std::max<Index>(1, most);
}

template <Scalar T>
void RowReader<T>::read(Range rows, T* to) const {
  const Array& array = *state_->array;
  const bool transposed = state_->transposed;
  const Range down = transposed ? Range{0, array.rows()} : rows;
  const Range across = transposed ? rows : Range{0, array.columns()};
  const Index width = transposed ? array.rows() : array.columns();
  for (Range i = down; i.begin < down.end; i.begin = i.end) {
    i.end = std::min(down.end, (i.begin / array.unit_rows() + 1) * array.unit_rows());
    for (Range j = across; j.begin < across.end; j.begin = j.end) {
      j.end = std::min(across.end, (j.begin / array.unit_columns() + 1) * array.unit_columns());
      const MatrixView<const T> part = array.read(i, j, state_->scratch);
      for (Index p = 0; p < part.rows; ++p)
        for (Index q = 0; q < part.columns; ++q) {
          const Index row = transposed ? j.begin + q : i.begin + p;
          const Index column = transposed ? i.begin + p : j.begin + q;
          to[(row - rows.begin) * width + column] = part(p, q);
        }
    }
  }
  state_->watch.check(rows);
}

template class RowReader<float>;
template class RowReader<double>;

}  // namespace scanmf::data
