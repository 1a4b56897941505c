#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "scanmf/model/model_file.hpp"
#include "scanmf/parallel/communicator.hpp"

namespace scanmf {

class LockFile;

/// A generation of a checkpoint whose checksums are right.
struct CheckpointGeneration {
  std::string file;    // what read_model_Ht, read_model_W and read_model_slice read the arrays from
  ModelHeader header;  // replicated
};

/// Whether a file's header is that of a checkpoint: it says which data it belongs to. Models of version 0.1 say so too,
/// but only what is finished says when it ended.
bool is_checkpoint(const ModelHeader& header);

/// The checkpoint of one job: the newest generation FILE, the one before it FILE.prev, and FILE.lock, which keeps other
/// jobs away. At each moment at least one generation is whole, whatever happens to the job, its node or the disk's free
/// space.
///
///     FILE.lock    host, process and job; refreshed while the job lives; a lock whose job is gone is taken over, and
///                  the log says so
///     FILE         written beside its name, flushed, renamed (write_model)
///     FILE.damaged a generation that load() found damaged, or a file that another program has put into a
///                  generation's place
class Checkpoint {
 public:
  /// Collective. Takes the lock. Throws AgreedError, naming host and process, when another job has it. Removes what
  /// killed jobs left half written.
  Checkpoint(const Communicator& comm, const std::string& file);
  /// Gives the lock back.
  ~Checkpoint();
  Checkpoint(const Checkpoint&) = delete;
  Checkpoint& operator=(const Checkpoint&) = delete;

  /// The newest generation's name, symbolic links followed.
  const std::string& file() const { return file_; }

  /// Collective. Writes a new generation; the newest becomes the one before it. Throws AgreedError (no space, lock lost
  /// to another job, …); both generations are then what they were.
  template <Scalar T>
  void save(const ModelHeader& header, const ModelArrays<T>& arrays);

  /// Throws when a generation is not one of this run: nothing else may be replaced or removed. Collective.
  using Check = std::function<void(const CheckpointGeneration&)>;

  /// Collective. The newest generation that is not damaged, or nullopt when there is none at all. A damaged newer one
  /// is set aside with a warning that says why. Throws AgreedError, and touches nothing, when all that exist are
  /// damaged, when something else is in their place, when a file is of another format version, and what `check`, which
  /// sees every whole generation, throws.
  std::optional<CheckpointGeneration> load(const Check& check = {});

  /// Collective. At the successful end: removes what load() has found and save() has written, nothing else. What cannot
  /// be removed is a warning.
  void remove();

  /// Names of the other files that a checkpoint may have, the lock excepted.
  static std::vector<std::string> files_beside(const std::string& file);

 private:
  std::optional<std::string> damage_of(const std::string& generation);
  void set_aside(const std::string& name, const std::string& why);
  void keep_strangers();

  const Communicator& comm_;
  std::string file_;
  // On root.
  std::unique_ptr<LockFile> lock_;
  std::set<std::string> ours_;          // what tells the files that this run has loaded or written
  std::vector<std::string> set_aside_;  // names
};

/// What differs between two lists of attributes, one text each ("alpha_W is 0.1 there and 0.2 now"); names in
/// `may_change` may.
std::vector<std::string> differences(const Attributes& stored, const Attributes& current,
                                     std::span<const std::string> may_change = {});

/// Throws Error naming every difference when the checkpoint `file` belongs to other data or parameters.
void require_same(const std::string& file, const Attributes& stored, const Attributes& current,
                  std::span<const std::string> may_change = {});

}  // namespace scanmf
