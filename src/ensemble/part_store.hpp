#pragma once

#include <span>
#include <vector>

#include "ensemble/cross_validation.hpp"
#include "ensemble/replicate_store.hpp"

namespace scanmf {

/// The errors of a cross-validation as they are found, behind the replicates in their file: with a checkpoint they
/// survive what replicates survive.
///
///     replicates    part 0: k 0, k 1 …   part 1: k 0 …       a page each, since groups of ranks on several nodes write
///
/// Each says which cross-validation it is of and has a checksum: what another one has left is not there, and more
/// repeats go on from fewer.
class PartStore {
 public:
  /// Collective. Finds what is there already. The replicates must outlive it.
  PartStore(const Communicator& comm, ReplicateStore& replicates, const EnsembleOptions& options);

  Index parts() const { return parts_; }
  /// The errors of all parts for one k.
  std::span<const PartError> of(Index k_number) const;
  bool is_known(Index k_number, Index part) const;
  /// Local, by one rank: writes an error to disk.
  void put(Index k_number, Index part, const PartError& error);
  /// Local, on every rank that is to know it.
  void mark(Index k_number, Index part, const PartError& error);

 private:
  struct Record;
  Record record(Index k_number, Index part, const PartError& error) const;
  Index offset(Index k_number, Index part) const;
  PartError find(Index k_number, Index part) const;
  std::size_t place(Index k_number, Index part) const;

  ReplicateStore& replicates_;
  Selection selection_;
  double what_is_held_out_;  // folds, or the share of the entries
  Index parts_;
  std::vector<PartError> errors_;  // k by k
};

}  // namespace scanmf
