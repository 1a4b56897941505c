#include "io/posix_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "scanmf/core/error.hpp"

namespace scanmf::io {
namespace {

constexpr std::size_t transfer_limit = std::size_t{1} << 30;  // Linux moves at most 2 GiB − 4 KiB a call

/// What the user can do about an error of the system; may be empty.
const char* advice(int error_number) {
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
      return "; make room there or write to another place";
    case EFBIG:
      return "; the limit of the file size (ulimit -f) or of the file system is lower: raise it or write to another "
             "place";
    case EACCES:
    case EPERM:
    case EROFS:
      return "; get permission for the file and its folder or use another place";
    case ENAMETOOLONG:
      return "; give it a shorter name";
    case ENOENT:
      return "; check the path";
    case ENOTDIR:
      return "; a part of the path is a file, not a folder: check the path";
    case EIO:
    case ESTALE:
      return "; the disk or the connection to it failed: check the file system";
    default:
      return "";
  }
}

/// "a FIFO" and the like for what is no regular file; nullptr for what is.
const char* special_kind(mode_t mode) {
  if (S_ISFIFO(mode)) return "a FIFO (pipe)";
  if (S_ISSOCK(mode)) return "a socket";
  if (S_ISCHR(mode) || S_ISBLK(mode)) return "a device";
  return S_ISDIR(mode) ? "a folder" : nullptr;
}

int retry_open(const std::string& path, int flags) {
  int descriptor = -1;
  do {
    descriptor = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
  } while (descriptor < 0 && errno == EINTR);
  return descriptor;
}

}  // namespace

void throw_system_error(const std::string& what, int error_number) {
  throw Error(fmt::format("{}: {}{}", what, std::strerror(error_number), advice(error_number)));
}

PosixFile::PosixFile(PosixFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), name_(std::move(other.name_)) {}

PosixFile& PosixFile::operator=(PosixFile&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(name_, other.name_);
  return *this;
}

PosixFile::~PosixFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

PosixFile PosixFile::open_for_reading(const std::string& path) {
  const int descriptor = retry_open(path, O_RDONLY | O_NONBLOCK);  // a FIFO without a writer would be waited for
  if (descriptor < 0) throw_system_error(fmt::format("{} cannot be opened", path), errno);
  PosixFile file(descriptor, path);
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) throw_system_error(fmt::format("{} cannot be examined", path), errno);
  if (const char* const kind = special_kind(status.st_mode))
    throw Error(fmt::format("{} cannot be read: it is {}, not a file", path, kind));
  return file;
}

PosixFile PosixFile::open_for_writing(const std::string& path, const std::string& name) {
  const int descriptor = retry_open(path, O_RDWR | O_NOFOLLOW);
  if (descriptor < 0) throw_system_error(fmt::format("{} cannot be written", name), errno);
  return {descriptor, name};
}

PosixFile PosixFile::create_exclusive(const std::string& path, const std::string& name) {
  const int descriptor = retry_open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW);
  if (descriptor < 0) throw_system_error(fmt::format("{} cannot be written", name), errno);
  return {descriptor, name};
}

Index PosixFile::size() const {
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) throw_system_error(fmt::format("{} cannot be examined", name_), errno);
  return status.st_size;
}

void PosixFile::read(Index offset, std::span<std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t count = ::pread(descriptor_, bytes.data(), std::min(bytes.size(), transfer_limit), offset);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw_system_error(fmt::format("{} cannot be read at byte {}", name_, offset), errno);
    if (count == 0) throw Error(fmt::format("{} ends at byte {}: it is truncated", name_, offset));
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset += count;
  }
}

bool PosixFile::begins_with(std::string_view beginning) const {
  std::string first(static_cast<std::size_t>(std::min(size(), static_cast<Index>(beginning.size()))), '\0');
  read(0, std::as_writable_bytes(std::span(first)));
  return first == beginning;
}

void PosixFile::write(Index offset, std::span<const std::byte> bytes) const {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(descriptor_, bytes.data(), std::min(bytes.size(), transfer_limit), offset);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0)
      throw_system_error(fmt::format("{} cannot be written at byte {}", name_, offset), count == 0 ? ENOSPC : errno);
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset += count;
  }
}

void PosixFile::reserve(Index bytes) const {
  // Not posix_fallocate: where the file system cannot reserve, it would write into every block of the file.
  int result = 0;
  do {
    result = ::fallocate(descriptor_, 0, 0, bytes);
  } while (result != 0 && errno == EINTR);
  if (result != 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) result = ::ftruncate(descriptor_, bytes);
  if (result != 0) throw_system_error(fmt::format("{} cannot be written ({} bytes)", name_, bytes), errno);
}

void PosixFile::reserve_room(Index bytes) const {
  rlimit limit{};
  if (::getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY &&
      static_cast<rlim_t>(bytes) > limit.rlim_cur)
    throw_system_error(fmt::format("{} cannot be written ({} bytes)", name_, bytes), EFBIG);
  int result = 0;
  do {
    result = ::fallocate(descriptor_, FALLOC_FL_KEEP_SIZE, 0, bytes);
  } while (result != 0 && errno == EINTR);
  if (result != 0 && errno != EOPNOTSUPP && errno != ENOSYS)
    throw_system_error(fmt::format("{} cannot be written ({} bytes)", name_, bytes), errno);
}

void PosixFile::truncate(Index bytes) const {
  if (::ftruncate(descriptor_, bytes) != 0) throw_system_error(fmt::format("{} cannot be written", name_), errno);
}

void PosixFile::copy_permissions(const std::string& path) const {
  struct stat status {};
  // The new file is as good with the rights it was created with: failures do not matter.
  if (::stat(path.c_str(), &status) == 0) (void)!::fchmod(descriptor_, status.st_mode & 07777);
}

void PosixFile::sync() const {
  if (::fsync(descriptor_) != 0 && errno != EINVAL)
    throw_system_error(fmt::format("{} cannot be written to disk", name_), errno);
}

void refuse_special_file(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || S_ISDIR(status.st_mode)) return;
  if (const char* const kind = special_kind(status.st_mode))
    throw Error(fmt::format("{} cannot be used: it is {}, not a file", path, kind));
}

std::string read_small_file(const std::string& path, Index most) {
  const PosixFile file = PosixFile::open_for_reading(path);
  const Index bytes = file.size();
  if (bytes > most)
    throw Error(fmt::format("{} has {} bytes, more than {}: it is not what is expected there", path, bytes, most));
  std::string contents(static_cast<std::size_t>(bytes), '\0');
  file.read(0, std::as_writable_bytes(std::span(contents)));
  return contents;
}

void sync_folder(const std::string& folder) {
  const int descriptor = retry_open(folder, O_RDONLY | O_DIRECTORY);
  if (descriptor < 0) return;  // a folder that may be written but not read
  const int result = ::fsync(descriptor);
  const int error_number = errno;
  ::close(descriptor);
  if (result != 0 && error_number != EINVAL && error_number != ENOTSUP)
    throw_system_error(fmt::format("folder {} cannot be written to disk", folder), error_number);
}

}  // namespace scanmf::io
