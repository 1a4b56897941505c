#pragma once

#include <memory>

#include "scanmf/parallel/communicator.hpp"

namespace scanmf {

/// Ranks in groups that each work on their own: consecutive ranks, sizes as equal as possible.
class RankGroups {
 public:
  /// Collective. 1 <= count <= ranks.
  RankGroups(const Communicator& all, int count);

  const Communicator& all() const { return all_; }
  /// This rank's group.
  const Communicator& own() const { return own_ ? *own_ : all_; }
  int number() const { return number_; }
  int count() const { return count_; }
  /// The first rank of a group, among all.
  int root_of(int group) const;

 private:
  const Communicator& all_;
  int count_;
  int number_;
  std::unique_ptr<Communicator> own_;  // nullptr: one group, all ranks
};

/// A number that ranks add to without waiting for one another: who is free takes the next piece of work.
class SharedCounter {
 public:
  /// Collective. Begins with 0.
  explicit SharedCounter(const Communicator& comm);
  /// Collective.
  ~SharedCounter();
  SharedCounter(const SharedCounter&) = delete;
  SharedCounter& operator=(const SharedCounter&) = delete;

  /// Local. The value before.
  Index add(Index more);

 private:
  MPI_Win window_ = MPI_WIN_NULL;
  Index* value_ = nullptr;
};

}  // namespace scanmf
