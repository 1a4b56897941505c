#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "io/checksums.hpp"
#include "io/file_names.hpp"
#include "io/layout.hpp"
#include "io/posix_file.hpp"
#include "scanmf/core/types.hpp"
#include "scanmf/parallel/communicator.hpp"

namespace scanmf::io {

/// What becomes of an existing target.
enum class Previous { replaced, kept };

/// An HDF5 file that all ranks write and that appears whole or not at all.
///
///     root        lays out the file in memory     reserves the room, copies the layout       fsync, rename,
///                 (attributes, datasets' places)  to a temporary beside the target           fsync of the folder
///     all ranks                                                            write their bytes, checksums, fsync
///
/// No MPI-IO: its failures (a full disk) end in hangs and crashes. HDF5 never touches the target's disk either: each
/// failure there is one of our own calls, whose reason becomes one message on every rank. The temporary is named after
/// host and process, and a random number; it is removed when commit() was not reached.
class OutputFile {
 public:
  /// Collective. `layout` is the same on every rank. Previous::kept: an existing target becomes target + ".prev".
  /// Throws AgreedError.
  OutputFile(const Communicator& comm, const std::string& target, const FileLayout& layout,
             Previous previous = Previous::replaced);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  /// Local. Bytes of dataset number `dataset` of the layout from its byte `first` on. Every byte must be written
  /// exactly once, by any rank.
  void write(std::size_t dataset, Index first, std::span<const std::byte> bytes);

  /// Collective. The file appears under its name. look, collective, sees it whole before that, under the name that it
  /// is given: under its own somebody else's may lie a moment later. Throws AgreedError, or what look does; the target
  /// then is what it was.
  void commit(const std::function<void(const std::string& file)>& look = {});

 private:
  void lay_out(const FileLayout& layout);
  void copy_layout(const PosixFile& image);
  void write_checksums(const std::vector<std::uint32_t>& checksums);
  void appear() const;
  const PosixFile& file();

  const Communicator& comm_;
  std::string name_;    // as the user gave it, for messages
  std::string target_;  // what it names, symbolic links followed
  std::string temporary_;
  Previous previous_;
  std::vector<Extent> extents_;
  Index covered_ = 0;  // bytes that checksums cover: all but the checksums
  PosixFile file_;     // the temporary, opened when this rank first writes
  BlockChecksums checksums_{0};
  bool remove_temporary_ = false;  // on root, while there is one
};

}  // namespace scanmf::io
