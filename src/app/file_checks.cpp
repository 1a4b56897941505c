#include "app/file_checks.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>

#include "io/file_names.hpp"
#include "io/posix_file.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/estimator/job.hpp"
#include "scanmf/model/checkpoint.hpp"

namespace scanmf::app {
namespace {

namespace fs = std::filesystem;

/// What locks, generations and the like are named after.
std::string name_without_links(const std::string& name) {
  std::error_code ignored;
  return fs::is_symlink(fs::symlink_status(name, ignored)) ? io::resolved_name(name) : name;
}

/// What a role's file is known by: device and number of the file where there is one, and the name that all links lead
/// to.
std::vector<std::string> identities(const std::string& path) {
  std::vector<std::string> found{io::resolved_name(path)};
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0) found.push_back(fmt::format("{}:{}", status.st_dev, status.st_ino));
  return found;
}

std::string described(const FileRole& role) { return fmt::format("{} ('{}')", role.what, role.path); }

/// The roles that a file has had so far: one that only reads it, one that does more.
struct Users {
  const FileRole* reader = nullptr;
  const FileRole* writer = nullptr;
};

void refuse_collisions(const std::vector<FileRole>& roles) {
  std::map<std::string, Users> files;
  for (const FileRole& role : roles) {
    const bool reads = role.use == FileUse::reads;
    for (const std::string& identity : identities(role.path)) {
      Users& users = files[identity];
      const FileRole* const other = reads || users.writer != nullptr ? users.writer : users.reader;
      // Generations of one checkpoint are one file for a moment, in which a run may be killed.
      const bool generations = other != nullptr && other->use == FileUse::removes && role.use == FileUse::removes;
      if (other != nullptr && !generations) {
        const FileRole& writer = reads ? *other : role;
        const FileRole& victim = reads ? role : *other;
        const char* const verb = writer.use == FileUse::appends ? "write into" : "replace";
        throw Error(fmt::format("{} would {} {}: they are one file; name another one", described(writer), verb,
                                described(victim)));
      }
      (reads ? users.reader : users.writer) = &role;
    }
  }
}

void refuse_special_files(const FileRole& role) {
  try {
    io::refuse_special_file(role.path);
  } catch (const Error& error) {
    throw Error(fmt::format("{}: {}", role.what, error.what()));
  }
}

/// That a file of this name can appear there: a temporary of it is made and removed.
void try_to_write(const FileRole& role) {
  const std::string& name = role.path;
  std::error_code error;
  const fs::path path(name);
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  if (!fs::is_directory(folder, error))
    throw Error(fmt::format("cannot write '{}': there is no folder '{}'", name, folder.string()));
  if (::access(folder.c_str(), W_OK | X_OK) != 0)
    throw Error(fmt::format("cannot write '{}': the folder '{}' is not writable ({})", name, folder.string(),
                            std::strerror(errno)));
  if (!path.has_filename() || fs::is_directory(path, error))
    throw Error(fmt::format("cannot write '{}': it is a folder, not a file", name));
  struct stat status {};
  if (::lstat(name.c_str(), &status) != 0 && errno != ENOENT)
    io::throw_system_error(fmt::format("cannot write '{}' ({})", name, role.what), errno);
  const std::string temporary = io::temporary_name(io::resolved_name(name));
  io::PosixFile::create_exclusive(temporary, name);
  ::unlink(temporary.c_str());
}

}  // namespace

void add_with_files_beside(const FileRole& role, std::vector<FileRole>& roles) {
  roles.push_back(role);
  const std::string name = name_without_links(role.path);
  roles.push_back({fmt::format("the lock of {}", role.what), name + ".lock", FileUse::removes});
  if (role.use != FileUse::removes) return;
  for (const std::string& generation : Checkpoint::files_beside(name))
    roles.push_back({fmt::format("another generation of {}", role.what), generation, FileUse::removes});
  roles.push_back({"the file that asks a run to stop", stop_file(name), FileUse::removes});
}

void check_files(const Communicator& comm, const std::vector<FileRole>& roles) {
  comm.agree([&] {
    if (!comm.is_root()) return;
    for (const FileRole& role : roles) refuse_special_files(role);
    refuse_collisions(roles);
    for (const FileRole& role : roles)
      if (role.use == FileUse::replaces || role.use == FileUse::removes) try_to_write(role);
  });
}

}  // namespace scanmf::app
