#include "data/chunk_feed.hpp"

#include <algorithm>
#include <utility>

#include "data/packing.hpp"

namespace scanmf::data {
namespace {

/// Calls take_own(positions) and take_foreign(positions, place) for what a part holds of this rank's positions `own`,
/// and of other ranks'.
template <class TakeOwn, class TakeForeign>
void sort_out(const Part& part, Range own, TakeOwn&& take_own, TakeForeign&& take_foreign) {
  const Range shared = {std::max(part.rows.begin, own.begin), std::min(part.rows.end, own.end)};
  if (shared.empty()) {
    take_foreign(part.rows, part.place);
    return;
  }
  take_own(shared);
  const Range before = {part.rows.begin, shared.begin};
  const Range behind = {shared.end, part.rows.end};
  if (!before.empty()) take_foreign(before, part.place);
  if (!behind.empty()) take_foreign(behind, part.place + before.size());
}

/// A part of a CSR array, to where it belongs in a slot's.
template <class E>
void place_elements(const Part& part, Range own, const E* from, E* slot) {
  const auto copy = [&](Range positions, Index place) {
    std::copy_n(from + (positions.begin - part.rows.begin), positions.size(), slot + place);
  };
  sort_out(
      part, own, [&](Range positions) { copy(positions, positions.begin - own.begin); },
      [&](Range positions, Index place) { copy(positions, own.size() + place); });
}

}  // namespace

template <Scalar T>
Slot<T> DenseChunkFeed<T>::make_slot() const {
  Slot<T> slot;
  slot.packed = Buffer<T>(plan_.block_rows() * padded_columns<T>(array_.columns()));
  slot.value = Buffer<T>(plan_.most_sent(height_) * array_.columns());
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
void DenseChunkFeed<T>::read(Index step, const Part& part, std::span<Slot<T>* const> slots, std::span<Index> added,
                             FeedScratch<T>& scratch) const {
  const MatrixView<const T> view = array_.read(part.rows, part.columns, scratch.values);
  const Index columns = array_.columns();
  const Range own = plan_.rows(step, rank_);
  const auto rows = [&](Range positions) {
    return view.middle_rows({positions.begin - part.rows.begin, positions.end - part.rows.begin});
  };
  sort_out(
      part, own,
      [&](Range positions) {
        const PackedRows<T> to{slots[0]->packed.data(), own.size(), columns, plan_.partition().tile_rows()};
        to.put(positions.begin - own.begin, part.columns.begin, rows(positions));
      },
      [&](Range positions, Index place) {
        const MatrixView<const T> from = rows(positions);
        T* const to = slots[0]->value.data() + place * columns + part.columns.begin;
        for (Index i = 0; i < from.rows; ++i) std::copy_n(from.row(i), from.columns, to + i * columns);
      });
  added[0] += view.rows * view.columns;
}

template <Scalar T>
Slot<T> CsrChunkFeed<T>::make_slot() const {
  Slot<T> slot;
  slot.column = Buffer<std::int32_t>(plan_.most_received() + plan_.most_sent(heights_.indices));
  slot.value = Buffer<T>(plan_.most_received() + plan_.most_sent(heights_.values));
  return slot;
}

template <Scalar T>
std::optional<Part> CsrChunkFeed<T>::next(PartCursor& cursor) const {
  const auto next_read = [&] {
    return plan_.next_read(cursor.batch, rank_, cursor.indices ? heights_.indices : heights_.values, cursor.row);
  };
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
void CsrChunkFeed<T>::read(Index step, const Part& part, std::span<Slot<T>* const> slots, std::span<Index> added,
                           FeedScratch<T>& scratch) const {
  if (part.indices) {
    const auto columns = reader_.indices().read(part.rows, part.columns, scratch.indices);
    reader_.check_columns(part.rows, columns.data);
    place_elements(part, plan_.positions(step, rank_), columns.data, slots[0]->column.data());
  } else {
    const auto values = reader_.values().read(part.rows, part.columns, scratch.values);
    place_elements(part, plan_.positions(step, rank_), values.data, slots[0]->value.data());
  }
  added[0] += part.rows.size();
}

template class DenseChunkFeed<float>;
template class DenseChunkFeed<double>;
template class CsrChunkFeed<float>;
template class CsrChunkFeed<double>;

}  // namespace scanmf::data
