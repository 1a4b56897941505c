#pragma once

#include <cstddef>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "io/posix_file.hpp"
#include "model/lock_file.hpp"
#include "scanmf/ensemble/ensemble.hpp"

namespace scanmf {

/// Which replicates there are, and how large they are: the same on every rank.
struct StoreLayout {
  std::vector<Index> ks;
  Index replicates = 0;  // of each k
  Index columns = 0;     // of X
  Index element_bytes = 0;
  Index labelled_rows = 0;  // rows of X whose labels are kept of each replicate

  Index count() const { return static_cast<Index>(ks.size()) * replicates; }
  Index k_of(Index number) const { return ks[static_cast<std::size_t>(number / replicates)]; }
  /// Bytes of the spectra of one replicate.
  Index spectra_bytes(Index number) const { return k_of(number) * columns * element_bytes; }
  /// Bytes of the spectra and the labels.
  Index record_bytes(Index number) const {
    return spectra_bytes(number) + labelled_rows * static_cast<Index>(sizeof(std::int32_t));
  }
  /// Where a replicate begins in the file.
  Index offset(Index number) const;
};

/// What the checkpoint of an ensemble says of itself.
struct StoreContents {
  Attributes belongs_to;  // as text: parameters, options, k, replicates, X, dtype, random_state
  StoreLayout layout;
  std::vector<Index> done;  // replicates of each k that say that they are whole; who goes on from them checks that
  Index all_done() const { return std::accumulate(done.begin(), done.end(), Index{0}); }
};
/// Local. Reads a few bytes of each replicate. nullopt for other files; throws Error for a damaged one.
std::optional<StoreContents> look_at_store(const std::string& file);

/// The spectra of all replicates in a file with a place for each: written by whoever has fitted it, in any order, and
/// read by columns, so that no rank ever holds more of them than it asks for.
///
///     0            header   what the replicates belong to; its last 8 bytes: how many fits may share a pass
///     64 KiB       replicate 0: k × n spectra, labels of some rows of X, what it has ended with, checksum of all
///                  replicate 1 …
///     end          what is found out afterwards, test errors (part_store.hpp)
///
/// A replicate whose checksum does not match is not there: a run may be killed at any moment. As a checkpoint the file
/// stays until the results are safe; otherwise it has no name, and is gone with the run.
class ReplicateStore {
 public:
  /// Collective. `belongs_to`: parameters, data and options, of which a checkpoint must be; random_state among them
  /// unless it is to be drawn. Throws AgreedError.
  ReplicateStore(const Communicator& comm, StoreLayout layout, const EnsembleControl& control,
                 const Attributes& belongs_to, const std::function<std::uint32_t()>& draw_random_state);
  ~ReplicateStore();
  ReplicateStore(const ReplicateStore&) = delete;
  ReplicateStore& operator=(const ReplicateStore&) = delete;

  const StoreLayout& layout() const { return layout_; }
  std::uint32_t random_state() const { return random_state_; }
  /// nullopt: not done yet.
  const std::optional<Replicate>& at(Index number) const { return done_[static_cast<std::size_t>(number)]; }
  Index done() const;
  /// Of the checkpoint, empty without one.
  const std::string& checkpoint_file() const { return checkpoint_file_; }

  /// Local, by one rank: writes a replicate to disk.
  template <Scalar T>
  void put(Index number, const Replicate& replicate, const Matrix<T>& Ht, std::span<const std::int32_t> labels);
  /// Collective. Marks on every rank what single ranks have marked: each of `own` is of one rank alone.
  void share(std::span<const Index> own);
  /// Local, on every rank.
  void mark(Index number, const Replicate& replicate) { done_[static_cast<std::size_t>(number)] = replicate; }

  /// Local. Columns of spectrum `component` of a replicate, as they were fitted.
  template <Scalar T>
  void read(Index number, Index component, Range columns, T* to) const;

  /// Local. The labels of a replicate, layout().labelled_rows of them.
  void read_labels(Index number, std::span<std::int32_t> to) const;

  /// Local, by one rank: writes to disk what is found out after the replicates, behind them.
  void put_behind(Index offset, std::span<const std::byte> bytes);
  /// Local. False where nobody has written.
  bool read_behind(Index offset, std::span<std::byte> bytes) const;

  /// At most so many fits share a pass, so that some come to an end in the time that a run has; 0: no bound. A
  /// run that has ended none leaves it to the next one.
  Index most_together() const { return most_together_; }
  /// Local, on root.
  void set_most_together(Index fits);

  /// Collective. Removes the checkpoint: the results are safe.
  void remove();

 private:
  void open_checkpoint(const EnsembleControl& control, const Attributes& belongs_to);
  void create(const std::string& name, const std::string& named_in_messages, const std::string& header);
  void find_done();
  std::optional<Replicate> check(Index number) const;

  const Communicator& comm_;
  StoreLayout layout_;
  std::uint32_t random_state_ = 0;
  io::PosixFile file_;  // open for reading and writing
  std::string checkpoint_file_;
  Index most_together_ = 0;
  std::unique_ptr<LockFile> lock_;  // on root
  std::vector<std::optional<Replicate>> done_;
};

}  // namespace scanmf
