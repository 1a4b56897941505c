#include "data/exchange_plan.hpp"

#include <algorithm>

namespace scanmf::data {

ExchangePlan::ExchangePlan(const RowPartition& partition, Index block_rows, std::vector<Index> tile_positions)
    : partition_(partition), block_rows_(block_rows), tile_positions_(std::move(tile_positions)) {
  const Index last = partition.batches() - 1;
  const Index step =
      tile_positions_.empty() ? std::max<Index>(1, last) : 1;  // batches of rows are all alike, but for the last one
  for (Index batch = 0; batch <= last; batch += step)
    for (int rank = 0; rank < partition.ranks(); ++rank)
      rounds_ = std::max(rounds_, (partition.piece(batch, rank).size() + block_rows - 1) / block_rows);
  for (Index batch = 0; batch <= last; batch += step) {
    longest_batch_ = std::max(longest_batch_, positions_of(partition.batch(batch)).size());
    for (int rank = 0; rank < partition.ranks(); ++rank)
      longest_piece_ = std::max(longest_piece_, positions_of(partition.piece(batch, rank)).size());
    for (Index round = batch * rounds_; round < (batch + 1) * rounds_; ++round)
      for (int rank = 0; rank < partition.ranks(); ++rank)
        most_received_ = std::max(most_received_, positions(round, rank).size());
  }
}

Range ExchangePlan::rows(Index step, int rank) const {
  const Range piece = partition_.piece(step / rounds_, rank);
  const Index begin = std::min(piece.end, piece.begin + step % rounds_ * block_rows_);
  return {begin, std::min(piece.end, begin + block_rows_)};
}

Range ExchangePlan::positions_of(Range rows) const {
  if (tile_positions_.empty() || rows.empty()) return tile_positions_.empty() ? rows : Range{};
  const Index tiles_of_batch = (partition_.batch_rows() + partition_.tile_rows() - 1) / partition_.tile_rows();
  const auto first_tile_from = [&](Index row) {
    const Index in_batch = row % partition_.batch_rows();
    return row / partition_.batch_rows() * tiles_of_batch +
           (in_batch + partition_.tile_rows() - 1) / partition_.tile_rows();
  };
  return {tile_positions_[static_cast<std::size_t>(first_tile_from(rows.begin))],
          tile_positions_[static_cast<std::size_t>(first_tile_from(rows.end))]};
}

Index ExchangePlan::row_of(Index position) const {
  if (tile_positions_.empty()) return std::clamp<Index>(position, 0, partition_.rows() - 1);
  const auto behind =
      std::upper_bound(tile_positions_.begin(), tile_positions_.end() - 1, std::max(position, tile_positions_.front()));
  const Index tile = behind - tile_positions_.begin() - 1;
  const Index tiles_of_batch = (partition_.batch_rows() + partition_.tile_rows() - 1) / partition_.tile_rows();
  return tile / tiles_of_batch * partition_.batch_rows() + tile % tiles_of_batch * partition_.tile_rows();
}

int ExchangePlan::reader_of(Index chunk, Index height) const {
  if (in_turns(height)) return static_cast<int>(chunk % partition_.ranks());
  return partition_.owner(row_of(chunk * height + height / 2));
}

/// A chunk that is not read in turns reaches no further than its height from the piece that its middle lies in, if that
/// is of the same batch.
bool ExchangePlan::may_read(Index step, int reader, int owner, Index height) const {
  if (in_turns(height)) return true;
  const Index batch_number = batch_of(step);
  const Range batch = positions_of(partition_.batch(batch_number));
  const Range piece = positions_of(partition_.piece(batch_number, reader));
  const Range own = positions(step, owner);
  const auto reaches = [&](Index begin, Index end) { return own.begin < end && begin < own.end; };
  return reaches(piece.begin - height, piece.end + height) || reaches(batch.begin, batch.begin + height) ||
         reaches(batch.end - height, batch.end);
}

ExchangePlan::Read ExchangePlan::next_read(Index step, int reader, Index height, Index from) const {
  Read next;
  for_each_read(step, reader, height, [&](int owner, Range run, Index place) {
    if (run.end <= from) return;
    const Index begin = std::max(run.begin, from);
    if (next.positions.empty())
      next = {{begin, run.end}, place + (owner == reader ? 0 : begin - run.begin)};
    else if (run.begin == next.positions.end && run.begin % height != 0)
      next.positions.end = run.end;
  });
  return next;
}

Index ExchangePlan::count_read(Index step, int reader, Index height) const {
  Index count = 0;
  for_each_read(step, reader, height, [&](int, Range run, Index) { count += run.size(); });
  return count;
}

Index ExchangePlan::most_chunks(Index height) const {
  const Index cut = (longest_batch_ + height - 2) / height + 1;
  return (cut + partition_.ranks() - 1) / partition_.ranks();
}

Index ExchangePlan::most_sent(Index height) const {
  if (!in_turns(height))
    return std::min(longest_batch_, 2 * height);  // the middle of a chunk is its reader's, but at the ends of a batch
  return std::min({longest_batch_, most_chunks(height) * height, (partition_.ranks() - 1) * most_received_});
}

bool ExchangePlan::cuts(Index height) const {
  const Index last = partition_.batches() - 1;
  const bool alike = tile_positions_.empty() && partition_.batch_rows() % height == 0;  // full batches
  for (Index batch = 0; batch <= last; batch += alike ? std::max<Index>(1, last) : 1)
    for (int rank = 0; rank < partition_.ranks(); ++rank) {
      const Range piece = positions_of(partition_.piece(batch, rank));
      if (!piece.empty() && piece.begin % height != 0 && piece.begin > positions_of({0, partition_.rows()}).begin)
        return true;
    }
  return false;
}

Index ExchangePlan::steps_of_chunk(Index height) const {
  Index count = 0;
  for (Index step = 0; step < steps() && positions_of(partition_.batch(batch_of(step))).begin < height; ++step) {
    bool cuts = false;
    for (int rank = 0; rank < partition_.ranks(); ++rank) {
      const Range own = positions(step, rank);
      cuts = cuts || (!own.empty() && own.begin < height);
    }
    count += cuts ? 1 : 0;
  }
  return count;
}

}  // namespace scanmf::data
