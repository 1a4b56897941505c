#include "python/files_read.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <vector>

#include "scanmf/core/error.hpp"

namespace scanmf::python {
namespace {

/// A file as it was when X was read from it. Numbers are used again when files are removed: alone they tell nothing.
struct FileRead {
  std::string name;  // without links
  dev_t device;
  ino_t number;
  timespec changed;

  bool is(const FileRead& other) const {
    const bool same_time = changed.tv_sec == other.changed.tv_sec && changed.tv_nsec == other.changed.tv_nsec;
    return device == other.device && number == other.number && (name == other.name || same_time);
  }
};

std::mutex mutex;
std::vector<FileRead> files;

/// What is known of a file; an empty name where there is none.
FileRead file_now(const std::string& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) != 0) return {};
  std::error_code error;
  return {std::filesystem::canonical(file, error).string(), status.st_dev, status.st_ino, status.st_mtim};
}

bool was_read(const FileRead& file) {
  return std::ranges::any_of(files, [&](const FileRead& read) { return read.is(file); });
}

}  // namespace

void remember_file_read(const std::string& file) {
  const FileRead now = file_now(file);
  const std::scoped_lock lock(mutex);
  if (!now.name.empty() && !was_read(now)) files.push_back(now);
}

void refuse_file_read(const Communicator& comm, const std::string& file) {
  comm.agree([&] {
    const FileRead now = file_now(file);
    const std::scoped_lock lock(mutex);
    if (!now.name.empty() && was_read(now))
      throw Error(fmt::format("'{}' would be replaced by the model, and X was read from it: name another file", file));
  });
}

}  // namespace scanmf::python
