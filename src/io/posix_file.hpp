#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "scanmf/core/types.hpp"

namespace scanmf::io {

/// A system call on a file failed: `what` ("X could not be written"), the system's reason and what to do about it, as
/// one line.
[[noreturn]] void throw_system_error(const std::string& what, int error_number);

/// An open file descriptor. Errors throw Error with the file's name and the reason. Transfers of any length; no
/// position: safe from several ranks.
class PosixFile {
 public:
  PosixFile() = default;
  PosixFile(PosixFile&& other) noexcept;
  PosixFile& operator=(PosixFile&& other) noexcept;
  PosixFile(const PosixFile&) = delete;
  PosixFile& operator=(const PosixFile&) = delete;
  ~PosixFile();

  static PosixFile open_for_reading(const std::string& path);
  /// The file exists already. `name`: what messages call it.
  static PosixFile open_for_writing(const std::string& path, const std::string& name);
  /// A new, empty file that this process alone uses; fails when there is anything of that name, a link to nowhere too.
  /// `name`: what messages call it.
  static PosixFile create_exclusive(const std::string& path, const std::string& name);

  bool is_open() const { return descriptor_ >= 0; }
  Index size() const;
  /// Exactly bytes.size() bytes; throws when the file ends before.
  void read(Index offset, std::span<std::byte> bytes) const;
  /// Whether the first bytes are these.
  bool begins_with(std::string_view beginning) const;
  void write(Index offset, std::span<const std::byte> bytes) const;
  /// Sets the length and reserves the room, so that later writes cannot run out of it (where the file system can do
  /// that).
  void reserve(Index bytes) const;
  /// The same without changing the length: room beyond the end for what others will write.
  void reserve_room(Index bytes) const;
  /// Sets the length; room reserved beyond it is given back.
  void truncate(Index bytes) const;
  /// Access rights of another file, as far as permitted.
  void copy_permissions(const std::string& path) const;
  void sync() const;

 private:
  PosixFile(int descriptor, std::string name) : descriptor_(descriptor), name_(std::move(name)) {}

  int descriptor_ = -1;
  std::string name_;
};

/// Throws Error, at once, for what is there and is neither a file nor a folder: FIFOs, devices and sockets would be
/// waited for, or read for ever.
void refuse_special_file(const std::string& path);

/// The contents of a file of at most `most` bytes. Throws Error for what is larger, cannot be read or is no regular
/// file.
std::string read_small_file(const std::string& path, Index most);

/// Flushes a folder's entries to disk (file systems that cannot are accepted).
void sync_folder(const std::string& folder);

}  // namespace scanmf::io
