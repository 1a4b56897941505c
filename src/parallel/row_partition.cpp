#include "scanmf/parallel/row_partition.hpp"

#include <algorithm>
#include <numeric>

namespace scanmf {
namespace {

/// Cuts tiles of the given cumulative weights (tiles + 1 values, ascending) into `ranks` consecutive shares as equal as tiles allow.
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

RowPartition::RowPartition(Index rows, Index batch_rows, Index tile_rows, int ranks, std::span<const Index> tile_weights)
    : rows_(rows), batch_rows_(batch_rows), tile_rows_(tile_rows), batches_((rows + batch_rows - 1) / batch_rows), ranks_(ranks) {
  const auto stride = static_cast<std::size_t>(ranks_ + 1);
  tile_cuts_.resize(static_cast<std::size_t>(batches_) * stride);
  local_begins_.resize(static_cast<std::size_t>((batches_ + 1) * ranks_), 0);
  Index tiles_before = 0;
  for (Index b = 0; b < batches_; ++b) {
    const Index tiles = (batch(b).size() + tile_rows_ - 1) / tile_rows_;
    std::vector<Index> cumulative(static_cast<std::size_t>(tiles) + 1, 0);
    for (Index t = 0; t < tiles; ++t) {
      const Index weight =
          tile_weights.empty() ? std::min(tile_rows_, batch(b).size() - t * tile_rows_) : tile_weights[static_cast<std::size_t>(tiles_before + t)];
      cumulative[static_cast<std::size_t>(t) + 1] = cumulative[static_cast<std::size_t>(t)] + weight;
    }
    if (cumulative.back() == 0) std::iota(cumulative.begin(), cumulative.end(), Index{0});  // nothing to balance: tiles count alike
    cut_evenly(cumulative, ranks_, &tile_cuts_[static_cast<std::size_t>(b) * stride]);
    for (int r = 0; r < ranks_; ++r) local_begins_[static_cast<std::size_t>((b + 1) * ranks_ + r)] = local_begin(b, r) + piece(b, r).size();
    tiles_before += tiles;
  }
}

Range RowPartition::batch(Index batch) const { return {batch * batch_rows_, std::min(rows_, (batch + 1) * batch_rows_)}; }

Range RowPartition::piece(Index batch_number, int rank) const {
  const Range all = batch(batch_number);
  return {std::min(all.end, all.begin + first_tile(batch_number, rank) * tile_rows_),
          std::min(all.end, all.begin + first_tile(batch_number, rank + 1) * tile_rows_)};
}

Index RowPartition::local_begin(Index batch, int rank) const { return local_begins_[static_cast<std::size_t>(batch * ranks_ + rank)]; }

}  // namespace scanmf
