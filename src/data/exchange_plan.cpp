#include "data/exchange_plan.hpp"

namespace scanmf::data {

ExchangePlan::ExchangePlan(const RowPartition& partition, Index block_rows, std::vector<Index> tile_positions)
    : partition_(partition), block_rows_(block_rows), tile_positions_(std::move(tile_positions)) {
  const Index last = partition.batches() - 1;
  const Index step = tile_positions_.empty() ? std::max<Index>(1, last) : 1;  // batches of rows are all alike, but for the last one
  for (Index batch = 0; batch <= last; batch += step)
    for (int rank = 0; rank < partition.ranks(); ++rank)
      rounds_ = std::max(rounds_, (partition.piece(batch, rank).size() + block_rows - 1) / block_rows);
  for (Index batch = 0; batch <= last; batch += step) {
    longest_batch_ = std::max(longest_batch_, positions_of(partition.batch(batch)).size());
    for (Index round = batch * rounds_; round < (batch + 1) * rounds_; ++round)
      for (int rank = 0; rank < partition.ranks(); ++rank) most_received_ = std::max(most_received_, positions(round, rank).size());
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
    return row / partition_.batch_rows() * tiles_of_batch + (in_batch + partition_.tile_rows() - 1) / partition_.tile_rows();
  };
  return {tile_positions_[static_cast<std::size_t>(first_tile_from(rows.begin))],
          tile_positions_[static_cast<std::size_t>(first_tile_from(rows.end))]};
}

ExchangePlan::Read ExchangePlan::next_read(Index step, int reader, Index height, Index from) const {
  Read next;
  for_each_read(step, reader, height, [&](int, Range run, Index place) {
    if (run.end <= from) return;
    const Index begin = std::max(run.begin, from);
    if (next.positions.empty())
      next = {{begin, run.end}, place + begin - run.begin};
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

Index ExchangePlan::most_read(Index height) const {
  return std::min({longest_batch_, most_chunks(height) * height, partition_.ranks() * most_received_});
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
