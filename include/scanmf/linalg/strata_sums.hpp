#pragma once

#include <cstdint>
#include <vector>

#include "scanmf/core/tree_sum.hpp"
#include "scanmf/linalg/tile_loop.hpp"

namespace scanmf {

/// Which strata a rank visits.
struct Strata {
  Index all = 1;  // of a batch, of all ranks
  Range own{0, 1};
  bool one_batch = true;  // else a stratum's sums go through several batches
};

/// What is summed over tiles: a part for each stratum that is being visited, and the tree's nodes of those that are
/// done. Threads visit different strata.
template <class Part>
class StrataSums {
 public:
  void begin(const Strata& strata) {
    for (auto& part : open_)  // of a visit that has failed
      if (part) tree_.give_back(std::move(part));
    strata_ = strata;
    tree_.begin(strata.all);
    open_.resize(static_cast<std::size_t>(strata.own.size()));
    done_.assign(open_.size(), 0);
  }

  /// The sums of a tile's stratum; make() makes empty ones.
  template <class Make>
  Part& at(const TilePlace& place, Make&& make) {
    auto& part = open_[number(place.stratum)];
    if (!part) part = tree_.take(make);
    return *part;
  }
  /// To be told of every tile.
  void visited(const TilePlace& place) {
    if (place.ends_stratum && strata_.one_batch) complete(place.stratum);
  }
  /// Sums of strata that are complete and make up a node, formed elsewhere: take() an empty one.
  template <class Make>
  std::unique_ptr<Part> take(Make&& make) {
    return tree_.take(make);
  }
  void complete(TreeNode node, std::unique_ptr<Part> part) {
    const Range leaves = node.leaves(strata_.all);
    for (Index stratum = leaves.begin; stratum < leaves.end; ++stratum) done_[number(stratum)] = 1;
    tree_.complete(node, std::move(part));
  }
  /// All has been visited. Strata without tiles are empty.
  template <class Make>
  void end(Make&& make) {
    for (Index stratum = strata_.own.begin; stratum < strata_.own.end; ++stratum) {
      if (done_[number(stratum)] != 0) continue;
      if (!open_[number(stratum)]) open_[number(stratum)] = tree_.take(make);
      complete(stratum);
    }
  }

  const TreeSum<Part>& tree() const { return tree_; }
  /// Calls look(part) for all there are, complete or not.
  template <class Look>
  void for_each(Look&& look) const {
    for (const auto& [node, part] : tree_.nodes()) look(*part);
    for (const auto& part : open_)
      if (part) look(*part);
  }

 private:
  std::size_t number(Index stratum) const { return static_cast<std::size_t>(stratum - strata_.own.begin); }
  void complete(Index stratum) {
    done_[number(stratum)] = 1;
    tree_.complete({0, stratum}, std::move(open_[number(stratum)]));
  }

  Strata strata_;
  TreeSum<Part> tree_;
  std::vector<typename TreeSum<Part>::Owned> open_;
  std::vector<std::uint8_t> done_;
};

}  // namespace scanmf
