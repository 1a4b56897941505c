#include "scanmf/parallel/row_partition.hpp"

#include <algorithm>
#include <numeric>

namespace scanmf {
namespace {

/// Cuts tiles of the given cumulative weights (tiles + 1 values, ascending) into `ranks` consecutive shares as equal as
/// tiles allow.
void cut_evenly(std::span<const Index> cumulative, int ranks, Index* cuts) {
  const Index tiles = static_cast<Index>(cumulative.size()) - 1;
  const Index total = cumulative[static_cast<std::size_t>(tiles)] - cumulative[0];
  cuts[0] = 0;
  for (int rank = 1; rank < ranks; ++rank) {
    const Index target = cumulative[0] + static_cast<Index>(static_cast<long double>(total) * rank / ranks);
    const auto above = std::lower_bound(cumulative.begin(), cumulative.end(), target);
    Index cut = above - cumulative.begin();
    if (cut > 0 && target - cumulative[static_cast<std::size_t>(cut - 1)] < *above - target) --cut;
    cuts[rank] = std::clamp(cut, cuts[rank - 1], tiles);
  }
  cuts[ranks] = tiles;
}

}  // namespace

RowPartition::RowPartition(Index rows, Index batch_rows, Index tile_rows, int ranks,
                           std::span<const Index> tile_weights)
    : rows_(rows),
      batch_rows_(batch_rows),
      tile_rows_(tile_rows),
      batches_((rows + batch_rows - 1) / batch_rows),
      ranks_(ranks),
      weighted_(!tile_weights.empty()) {
  const Index first =
      weighted_ ? 0 : std::max<Index>(0, batches_ - 2);  // without weights, all full batches are cut alike
  const auto stride = static_cast<std::size_t>(ranks_) + 1;
  tile_cuts_.resize(static_cast<std::size_t>(batches_ - first) * stride);
  std::size_t tiles_before = 0;
  for (Index b = first; b < batches_; ++b) {
    const Index tiles = (batch(b).size() + tile_rows_ - 1) / tile_rows_;
    std::vector<Index> cumulative(static_cast<std::size_t>(tiles) + 1, 0);
    for (std::size_t t = 0; t < static_cast<std::size_t>(tiles); ++t) {
      const Index rows_of_tile = std::min(tile_rows_, batch(b).size() - static_cast<Index>(t) * tile_rows_);
      cumulative[t + 1] = cumulative[t] + (weighted_ ? tile_weights[tiles_before + t] : rows_of_tile);
    }
    if (cumulative.back() == 0)
      std::iota(cumulative.begin(), cumulative.end(), Index{0});  // nothing to balance: tiles count alike
    cut_evenly(cumulative, ranks_, &tile_cuts_[static_cast<std::size_t>(b - first) * stride]);
    tiles_before += static_cast<std::size_t>(tiles);
  }
  const Index counted = weighted_ ? batches_ : std::min<Index>(1, batches_);
  local_begins_.resize(static_cast<std::size_t>((counted + 1) * ranks_), 0);
  for (Index b = 0; b < counted; ++b)
    for (int r = 0; r < ranks_; ++r)
      local_begins_[static_cast<std::size_t>((b + 1) * ranks_ + r)] =
          local_begins_[static_cast<std::size_t>(b * ranks_ + r)] + piece(b, r).size();
}

Index RowPartition::cuts_of(Index batch) const {
  if (weighted_) return batch;
  return batch > 0 && batch + 1 == batches_ ? 1 : 0;
}

Range RowPartition::batch(Index batch) const {
  return {batch * batch_rows_, std::min(rows_, (batch + 1) * batch_rows_)};
}

Range RowPartition::piece(Index batch_number, int rank) const {
  const Range all = batch(batch_number);
  return {std::min(all.end, all.begin + first_tile(batch_number, rank) * tile_rows_),
          std::min(all.end, all.begin + first_tile(batch_number, rank + 1) * tile_rows_)};
}

int RowPartition::owner(Index row) const {
  const Index batch_number = row / batch_rows_;
  const Index tile = row % batch_rows_ / tile_rows_;
  const auto cuts = tile_cuts_.begin() + cuts_of(batch_number) * (ranks_ + 1);
  return static_cast<int>(std::upper_bound(cuts, cuts + ranks_ + 1, tile) - cuts) - 1;
}

Index RowPartition::local_begin(Index batch, int rank) const {
  const auto entry = [&](Index row) { return local_begins_[static_cast<std::size_t>(row * ranks_ + rank)]; };
  if (weighted_ || batch == 0) return entry(batch);
  return batch < batches_ ? batch * entry(1) : (batches_ - 1) * entry(1) + piece(batches_ - 1, rank).size();
}

}  // namespace scanmf
