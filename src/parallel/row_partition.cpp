#include "scanmf/parallel/row_partition.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <numeric>

namespace scanmf {
namespace {

Index quotient_above(Index number, Index divisor) { return (number + divisor - 1) / divisor; }

/// Cuts equal strata into shares that are as even as they can be, to 1 %, and made up of few nodes of the tree of sums:
/// multiples of the largest power of two that allows it. Empty: none does.
std::vector<Index> cut_at_nodes(Index strata, int ranks) {
  for (auto grain = static_cast<Index>(std::bit_floor(static_cast<std::uint64_t>(std::max<Index>(1, strata))));
       grain > 0; grain /= 2) {
    const Index share = quotient_above(quotient_above(strata, ranks), grain) * grain;
    if (share * ranks > strata + strata / 100) continue;
    std::vector<Index> cuts;
    for (int rank = 0; rank <= ranks; ++rank) cuts.push_back(std::min(strata, rank * share));
    return cuts;
  }
  return {};
}

/// Of the numbers near `cut` the one that most twos divide: a rank whose strata begin and end there has few nodes of
/// the tree of sums.
Index rounded(Index cut, Index within, Range allowed) {
  Index best = cut;
  for (Index one = std::max(allowed.begin, cut - within); one <= std::min(allowed.end, cut + within); ++one) {
    const auto twos = [](Index number) { return std::countr_zero(static_cast<std::uint64_t>(number)); };
    if (twos(one) > twos(best) || (twos(one) == twos(best) && std::abs(one - cut) < std::abs(best - cut))) best = one;
  }
  return best;
}

/// Cuts things of the given cumulative weights (one more than there are things, ascending) into consecutive shares, as
/// equal as they allow, or near that where more twos divide the cut.
std::vector<Index> cut_evenly(std::span<const Index> cumulative, Index shares, Index within) {
  const Index count = static_cast<Index>(cumulative.size()) - 1;
  const Index total = cumulative.back();
  std::vector<Index> cuts{0};
  for (Index share = 1; share < shares; ++share) {
    const auto target = static_cast<Index>(static_cast<long double>(total) * share / shares);
    const auto above = std::lower_bound(cumulative.begin(), cumulative.end(), target);
    Index cut = above - cumulative.begin();
    if (cut > 0 && target - cumulative[static_cast<std::size_t>(cut - 1)] < *above - target) --cut;
    cuts.push_back(rounded(std::clamp(cut, cuts.back(), count), within, {cuts.back(), count}));
  }
  cuts.push_back(count);
  return cuts;
}

std::vector<Index> cumulative_of(std::span<const Index> weights) {
  std::vector<Index> cumulative(weights.size() + 1, 0);
  std::partial_sum(weights.begin(), weights.end(), cumulative.begin() + 1);
  if (cumulative.back() == 0) std::iota(cumulative.begin(), cumulative.end(), Index{0});  // nothing to balance
  return cumulative;
}

}  // namespace

RowPartition::RowPartition(Index rows, Index batch_rows, Index tile_rows, Index tiles_a_stratum, int ranks,
                           std::span<const Index> tile_weights)
    : rows_(rows),
      batch_rows_(batch_rows),
      tile_rows_(tile_rows),
      tiles_a_stratum_(tiles_a_stratum),
      batches_(quotient_above(rows, batch_rows)),
      strata_(quotient_above(std::min(rows, batch_rows), tile_rows * tiles_a_stratum)),
      ranks_(ranks) {
  if (!tile_weights.empty() && batches_ == 1) {
    first_tiles_ = cut_evenly(cumulative_of(tile_weights), strata_, 0);
    for (const Index tile : first_tiles_) first_rows_.push_back(std::min(rows, tile * tile_rows));
  }
  if (tile_weights.empty() || batches_ == 1) cuts_ = cut_at_nodes(strata_, ranks);
  if (!cuts_.empty()) return;
  std::vector<Index> weights(static_cast<std::size_t>(strata_), 0);
  if (tile_weights.empty()) {
    for (Index s = 0; s < strata_; ++s)
      weights[static_cast<std::size_t>(s)] = std::min(first_row(s + 1), std::min(rows, batch_rows)) - first_row(s);
  }
  if (!tile_weights.empty()) {
    std::size_t number = 0;
    for (Index b = 0; b < batches_; ++b)
      for (Index tile = 0; tile < quotient_above(batch(b).size(), tile_rows_); ++tile)
        weights[static_cast<std::size_t>(stratum_of_tile(tile))] += tile_weights[number++];
  }
  cuts_ = cut_evenly(cumulative_of(weights), ranks, strata_ / (Index{128} * ranks));
}

RowPartition::RowPartition(const RowPartition& whole, std::span<const Index> rows_of_strata)
    : tile_rows_(whole.tile_rows_),
      tiles_a_stratum_(whole.tiles_a_stratum_),
      strata_(whole.strata_),
      ranks_(whole.ranks_),
      cuts_(whole.cuts_),
      first_rows_(rows_of_strata.size() + 1, 0) {
  std::partial_sum(rows_of_strata.begin(), rows_of_strata.end(), first_rows_.begin() + 1);
  rows_ = batch_rows_ = first_rows_.back();
  batches_ = 1;
}

Index RowPartition::stratum_of_tile(Index tile) const {
  if (first_tiles_.empty()) return tile / tiles_a_stratum_;
  return std::ranges::upper_bound(first_tiles_, tile) - first_tiles_.begin() - 1;
}

Index RowPartition::first_row(Index stratum) const {
  return first_rows_.empty() ? stratum * tiles_a_stratum_ * tile_rows_ : first_rows_[static_cast<std::size_t>(stratum)];
}

Range RowPartition::batch(Index batch) const {
  return {batch * batch_rows_, std::min(rows_, (batch + 1) * batch_rows_)};
}

Range RowPartition::piece(Index batch_number, int rank) const {
  const Range all = batch(batch_number);
  const Range strata = strata_of(rank);
  return {std::min(all.end, all.begin + first_row(strata.begin)), std::min(all.end, all.begin + first_row(strata.end))};
}

int RowPartition::owner(Index row) const {
  const Index in_batch = row % batch_rows_;
  const auto cut = std::upper_bound(cuts_.begin(), cuts_.end(), in_batch,
                                    [&](Index sought, Index stratum) { return sought < first_row(stratum); });
  return static_cast<int>(cut - cuts_.begin()) - 1;
}

Index RowPartition::local_begin(Index batch, int rank) const {
  const Index full = piece(0, rank).size();
  return batch < batches_ || batch == 0 ? batch * full : (batches_ - 1) * full + piece(batches_ - 1, rank).size();
}

}  // namespace scanmf
