#include "data/file_watch.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "data/load.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::data {
namespace {

[[noreturn]] void refuse(const std::string& place, const std::string& fate, Range rows) {
  const std::string reading =
      rows.empty() ? "it was being read" : fmt::format("rows {} to {} were being read", rows.begin, rows.end - 1);
  throw Error(fmt::format("{} has been {} while {}", place, fate, reading));
}

struct stat state_of(const std::string& name, const std::string& place, Range rows) {
  struct stat status {};
  if (::stat(name.c_str(), &status) != 0) refuse(place, "removed", rows);
  return status;
}

}  // namespace

FileWatch::FileWatch(const MatrixDescription& description) : place_(place_of(description)) {
  files_.push_back({description.file, place_, state_of(description.file, place_, {})});
}

FileWatch::FileWatch(const std::string& file) : place_(file) {
  files_.push_back({file, place_, state_of(file, place_, {})});
}

void FileWatch::add(const std::vector<std::string>& files) {
  for (const std::string& name : files) {
    const std::string place = fmt::format("{}, in which {} lies,", name, place_);
    const struct stat now = state_of(name, place, {});
    const bool known = std::any_of(files_.begin(), files_.end(), [&](const File& file) {
      return file.opened.st_dev == now.st_dev && file.opened.st_ino == now.st_ino;
    });
    if (!known) files_.push_back({name, place, now});
  }
}

void FileWatch::check(Range rows) const {
  for (const auto& [name, place, opened] : files_) {
    const struct stat now = state_of(name, place, rows);
    if (now.st_dev != opened.st_dev || now.st_ino != opened.st_ino) refuse(place, "replaced", rows);
    if (now.st_size < opened.st_size)
      refuse(place, fmt::format("truncated from {} to {} bytes", opened.st_size, now.st_size), rows);
    if (now.st_mtim.tv_sec != opened.st_mtim.tv_sec || now.st_mtim.tv_nsec != opened.st_mtim.tv_nsec)
      refuse(place, "changed", rows);
  }
}

}  // namespace scanmf::data
