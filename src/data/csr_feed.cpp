#include "data/csr_feed.hpp"

#include <algorithm>

namespace scanmf::data {

template <Scalar T>
CsrFeed<T>::CsrFeed(const SparseReader<T>& reader, const RowPartition& partition, int rank, Index columns,
                    Index least_tiles, Index block_elements, bool check_sign)
    : reader_(reader),
      partition_(partition),
      rank_(rank),
      columns_(columns),
      check_sign_(check_sign),
      bounds_(reader, partition, rank),
      cuts_(static_cast<std::size_t>(partition.batches())) {
  for (Index batch = 0; batch < partition.batches(); ++batch) cut(batch, least_tiles, block_elements);
}

template <Scalar T>
void CsrFeed<T>::cut(Index batch, Index least_tiles, Index block_elements) {
  std::vector<Index>& cuts = cuts_[static_cast<std::size_t>(batch)];
  const Index rows = partition_.piece(batch, rank_).size();
  const Index tile = partition_.tile_rows();
  cuts.push_back(0);
  while (cuts.back() < rows) {
    Index end = std::min(rows, cuts.back() + least_tiles * tile);
    while (end < rows && positions(batch)[std::min(rows, end + tile)] - positions(batch)[cuts.back()] <= block_elements)
      end = std::min(rows, end + tile);
    most_rows_ = std::max(most_rows_, end - cuts.back());
    most_elements_ = std::max(most_elements_, positions(batch)[end] - positions(batch)[cuts.back()]);
    cuts.push_back(end);
  }
}

template <Scalar T>
Slot<T> CsrFeed<T>::make_slot() const {
  Slot<T> slot;
  slot.row_begin = Buffer<Index>(most_rows_ + 1);
  slot.column = Buffer<std::int32_t>(most_elements_);
  slot.value = Buffer<T>(most_elements_);
  return slot;
}

template <Scalar T>
Index CsrFeed<T>::slot_bytes() const {
  return (most_rows_ + 1) * static_cast<Index>(sizeof(Index)) +
         most_elements_ * static_cast<Index>(sizeof(std::int32_t) + sizeof(T));
}

template <Scalar T>
Range CsrFeed<T>::rows_of(Index batch, Index block) const {
  const std::vector<Index>& cuts = cuts_[static_cast<std::size_t>(batch)];
  return {cuts[static_cast<std::size_t>(block)], cuts[static_cast<std::size_t>(block) + 1]};
}

template <Scalar T>
Range CsrFeed<T>::elements_of(Index batch, Index block) const {
  const Range rows = rows_of(batch, block);
  return {positions(batch)[rows.begin], positions(batch)[rows.end]};
}

template <Scalar T>
PartCursor CsrFeed<T>::begin(Index batch) const {
  return {.batch = batch, .row = blocks(batch) > 0 ? positions(batch)[0] : 0};
}

template <Scalar T>
std::optional<Part> CsrFeed<T>::next(PartCursor& cursor) const {
  if (cursor.block >= blocks(cursor.batch)) return std::nullopt;
  const Range elements = elements_of(cursor.batch, cursor.block);
  Part part{.blocks = {cursor.block, cursor.block + 1}, .rows = elements, .columns = {0, 1}, .indices = cursor.indices};
  if (elements.empty()) {  // one part, so that the block will be finished
    ++cursor.block;
    return part;
  }
  const Index height = (cursor.indices ? reader_.indices() : reader_.values()).unit_rows();
  part.rows = {cursor.row, std::min(elements.end, (cursor.row / height + 1) * height)};
  cursor.row = part.rows.end;
  if (cursor.row < elements.end) return part;
  if (cursor.indices)
    cursor.row = elements.begin;  // the same elements' values follow
  else
    ++cursor.block;
  cursor.indices = !cursor.indices;
  return part;
}

template <Scalar T>
Index CsrFeed<T>::begin_block(Index batch, Index block, Slot<T>& slot) const {
  const Range piece = partition_.piece(batch, rank_);
  const Range rows = rows_of(batch, block);
  const Index* const bounds = positions(batch) + rows.begin;
  for (Index i = 0; i <= rows.size(); ++i) slot.row_begin[i] = bounds[i] - bounds[0];
  slot.block.local_row = partition_.local_begin(batch, rank_) + rows.begin;
  slot.block.global_row = piece.begin + rows.begin;
  slot.block.first_tile = partition_.tile_in_batch(slot.block.global_row);
  slot.block.tiles_a_stratum = partition_.tiles_a_stratum();
  slot.block.first_tiles = partition_.first_tiles();
  slot.block.matrix = CsrBlock<T>{rows.size(),           columns_,           partition_.tile_rows(),
                                  slot.row_begin.data(), slot.column.data(), slot.value.data()};
  return 2 * (bounds[rows.size()] - bounds[0]);
}

template <Scalar T>
void CsrFeed<T>::read(Index batch, const Part& part, std::span<Slot<T>* const> slots, std::span<Index> added,
                      FeedScratch<T>& scratch) const {
  if (part.rows.empty()) return;
  const Index first = part.rows.begin - elements_of(batch, part.blocks.begin).begin;
  if (part.indices) {
    const auto columns = reader_.indices().read(part.rows, part.columns, scratch.indices);
    reader_.check_columns(part.rows, columns.data);
    std::copy_n(columns.data, part.rows.size(), slots[0]->column.data() + first);
  } else {
    const auto values = reader_.values().read(part.rows, part.columns, scratch.values);
    std::copy_n(values.data, part.rows.size(), slots[0]->value.data() + first);
  }
  added[0] += part.rows.size();
}

template <Scalar T>
void CsrFeed<T>::finish_block(Slot<T>& slot) const {
  settle_rows(slot.block.rows(), slot.row_begin.data(), slot.column.data(), slot.value.data(), check_sign_,
              reader_.selected());
}

template class CsrFeed<float>;
template class CsrFeed<double>;

}  // namespace scanmf::data
