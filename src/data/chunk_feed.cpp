#include "data/chunk_feed.hpp"

#include <algorithm>
#include <utility>

namespace scanmf::data {

template <Scalar T>
Slot<T> DenseChunkFeed<T>::make_slot() const {
  Slot<T> slot;
  slot.value = Buffer<T>(plan_.most_read(height_) * array_.columns());
  return slot;
}

template <Scalar T>
std::optional<Part> DenseChunkFeed<T>::next(PartCursor& cursor) const {
  const auto [rows, place] = plan_.next_read(cursor.batch, rank_, height_, cursor.row);
  if (rows.empty()) return std::nullopt;
  Part part;
  part.blocks = {0, 1};
  part.rows = {rows.begin, std::min(rows.end, (rows.begin / array_.unit_rows() + 1) * array_.unit_rows())};
  part.place = place;
  take_columns(array_, cursor, part);
  return part;
}

template <Scalar T>
Index DenseChunkFeed<T>::begin_block(Index step, Index, Slot<T>&) const {
  return plan_.count_read(step, rank_, height_) * array_.columns();
}

template <Scalar T>
void DenseChunkFeed<T>::read(Index, const Part& part, std::span<Slot<T>* const> slots, std::span<Index> added, FeedScratch<T>& scratch) const {
  const MatrixView<const T> view = array_.read(part.rows, part.columns, scratch.values);
  T* const to = slots[0]->value.data() + part.place * array_.columns() + part.columns.begin;
  for (Index i = 0; i < view.rows; ++i) std::copy_n(view.row(i), view.columns, to + i * array_.columns());
  added[0] += view.rows * view.columns;
}

template <Scalar T>
Slot<T> CsrChunkFeed<T>::make_slot() const {
  Slot<T> slot;
  slot.column = Buffer<std::int32_t>(plan_.most_read(heights_.indices));
  slot.value = Buffer<T>(plan_.most_read(heights_.values));
  return slot;
}

template <Scalar T>
std::optional<Part> CsrChunkFeed<T>::next(PartCursor& cursor) const {
  const auto next_read = [&] { return plan_.next_read(cursor.batch, rank_, cursor.indices ? heights_.indices : heights_.values, cursor.row); };
  ExchangePlan::Read read = next_read();
  if (read.positions.empty() && std::exchange(cursor.indices, false)) {  // the values follow
    cursor.row = 0;
    read = next_read();
  }
  if (read.positions.empty()) return std::nullopt;
  const Index unit = (cursor.indices ? reader_.indices() : reader_.values()).unit_rows();
  Part part;
  part.blocks = {0, 1};
  part.rows = {read.positions.begin, std::min(read.positions.end, (read.positions.begin / unit + 1) * unit)};
  part.columns = {0, 1};
  part.indices = cursor.indices;
  part.place = read.place;
  cursor.row = part.rows.end;
  return part;
}

template <Scalar T>
void CsrChunkFeed<T>::read(Index, const Part& part, std::span<Slot<T>* const> slots, std::span<Index> added, FeedScratch<T>& scratch) const {
  if (part.indices) {
    const auto columns = reader_.indices().read(part.rows, part.columns, scratch.indices);
    reader_.check_columns(part.rows, columns.data);
    std::copy_n(columns.data, part.rows.size(), slots[0]->column.data() + part.place);
  } else {
    const auto values = reader_.values().read(part.rows, part.columns, scratch.values);
    std::copy_n(values.data, part.rows.size(), slots[0]->value.data() + part.place);
  }
  added[0] += part.rows.size();
}

template class DenseChunkFeed<float>;
template class DenseChunkFeed<double>;
template class CsrChunkFeed<float>;
template class CsrChunkFeed<double>;

}  // namespace scanmf::data
