#include "data/dense_reader.hpp"

#include <algorithm>

namespace scanmf::data {
namespace {

/// How rows are cut into pieces for reading: `rows` × `columns` elements each, ending at multiples of these, so that a chunk is inflated as seldom as
/// possible.
///
///   chunks of few rows:   whole rows, some chunks high        chunks of many rows:   one or more chunks wide
///     |===|===|===|                                             |===|   |   |
///     |===|===|===|                                             |===|   |   |
///     |   |   |   |                                             |   |   |   |
struct Pieces {
  Index rows = 1;
  Index columns = 1;
};

Pieces pieces_for(const hdf5::Dataset& dataset, Index element_bytes, Index piece_bytes) {
  const Index columns = dataset.dimensions()[1];
  const Index most = std::max<Index>(1, piece_bytes / element_bytes);
  const bool chunked = !dataset.chunk().empty();
  const Index chunk_rows = chunked ? dataset.chunk()[0] : 1;
  const Index chunk_columns = chunked ? dataset.chunk()[1] : 1;
  if (chunk_rows * columns <= most) return {most / (chunk_rows * columns) * chunk_rows, columns};
  const Index rows = std::min(chunk_rows, std::max<Index>(1, most / chunk_columns));
  return {rows, std::min(columns, std::max<Index>(1, most / (rows * chunk_columns)) * chunk_columns)};
}

}  // namespace

template <Scalar T>
void DenseReader<T>::read(Range rows, const PackedRows<T>& to, Index first_row) {
  const Pieces pieces = pieces_for(*dataset_, sizeof(T), piece_bytes_);
  const Index most = std::min(pieces.rows, rows.size()) * pieces.columns;
  if (piece_.size() < most) piece_ = Buffer<T>(most);
  Index end = 0;
  for (Index begin = rows.begin; begin < rows.end; begin = end) {
    end = std::min(rows.end, (begin / pieces.rows + 1) * pieces.rows);
    for (Index column = 0; column < to.columns; column += pieces.columns) {
      const Index width = std::min(pieces.columns, to.columns - column);
      dataset_->read_part(Range{begin, end}, Range{column, column + width}, piece_.data());
      to.put(first_row + begin - rows.begin, column, MatrixView<const T>(piece_.data(), end - begin, width));
    }
  }
}

template class DenseReader<float>;
template class DenseReader<double>;

}  // namespace scanmf::data
