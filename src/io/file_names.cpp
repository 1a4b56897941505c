#include "io/file_names.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <random>
#include <string_view>
#include <system_error>

#include "core/number_text.hpp"
#include "io/posix_file.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::io {
namespace {

namespace fs = std::filesystem;

constexpr const char* temporary_mark = ".part-";

/// Host as names of temporaries have it, so that they always fit into a name of 255 characters.
std::string short_host_name() { return host_name().substr(0, 64); }

/// The name of each temporary of a target up to its owner; a long name is cut, with a digest of all of it.
std::string temporary_beginning(const std::string& target) {
  constexpr std::size_t most = 120;
  constexpr std::size_t kept = 100;
  std::string name = fs::path(target).filename().string();
  if (name.size() > most) {
    std::uint64_t digest = 14695981039346656037U;  // FNV-1a
    for (const char c : name) digest = (digest ^ static_cast<unsigned char>(c)) * 1099511628211U;
    name = fmt::format("{}~{:016x}", name.substr(0, kept), digest);
  }
  return name + temporary_mark;
}

/// Who made a temporary.
struct Owner {
  std::string host;
  Index pid = 0;
};

/// Owner of "HOST-PID-RANDOM"; nullopt for what this program does not write.
std::optional<Owner> parse_owner(std::string_view text) {
  constexpr std::size_t digits = 16;
  const std::size_t second = text.rfind('-');
  if (second == std::string_view::npos || second == 0 || text.size() - second - 1 != digits) return std::nullopt;
  const std::size_t first = text.rfind('-', second - 1);
  const bool random = text.substr(second + 1).find_first_not_of("0123456789abcdef") == std::string_view::npos;
  if (first == std::string_view::npos || first == 0 || !random) return std::nullopt;
  const auto pid = parse_index(text.substr(first + 1, second - first - 1));
  return pid && *pid > 0 ? std::optional(Owner{std::string(text.substr(0, first)), *pid}) : std::nullopt;
}

}  // namespace

std::string resolve_target(const std::string& name) {
  if (name.empty()) throw Error("no name is given for the file to be written");
  std::error_code ignored;
  const fs::file_status status = fs::status(name, ignored);
  if (fs::is_directory(status)) throw_system_error(fmt::format("{} cannot be written", name), EISDIR);
  if (fs::exists(status) && !fs::is_regular_file(status))
    throw Error(fmt::format("{} cannot be written: it is not a regular file; give another name", name));
  return fs::is_symlink(fs::symlink_status(name, ignored)) ? resolved_name(name) : name;
}

std::string resolved_name(const std::string& name) {
  constexpr int most_links = 40;
  std::error_code error;
  fs::path path = name;
  for (int links = 0; links < most_links && fs::is_symlink(fs::symlink_status(path, error)); ++links) {
    const fs::path next = fs::read_symlink(path, error);
    path = next.is_absolute() ? next : path.parent_path() / next;
  }
  const fs::path folder = fs::weakly_canonical(folder_of(path.string()), error);
  return error ? path.string() : (folder / path.filename()).string();
}

std::string host_name() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0) return "unknown";
  return name;
}

bool process_runs(Index pid) {
  if (pid <= 0 || (::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH)) return false;
  // A process that has ended stays in the table until its parent asks for its status.
  std::ifstream file(fmt::format("/proc/{}/stat", pid));
  const std::string status(std::istreambuf_iterator<char>(file), {});
  const std::size_t after_name = status.rfind(')');
  return after_name == std::string::npos || after_name + 2 >= status.size() ||
         (status[after_name + 2] != 'Z' && status[after_name + 2] != 'X');
}

std::string temporary_name(const std::string& target) {
  std::random_device random;
  const auto number = static_cast<std::uint64_t>(random()) << 32U | random();
  return (fs::path(folder_of(target)) /
          fmt::format("{}{}-{}-{:016x}", temporary_beginning(target), short_host_name(), ::getpid(), number))
      .string();
}

void remove_stale_temporaries(const std::string& target, bool all_hosts) {
  const std::string beginning = temporary_beginning(target);
  std::error_code ignored;  // a folder that cannot be listed is no reason not to write
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_of(target), ignored)) {
    const std::string name = entry.path().filename().string();
    const fs::file_status status = entry.symlink_status(ignored);
    if (!name.starts_with(beginning) || (!fs::is_regular_file(status) && !fs::is_directory(status))) continue;
    const std::optional<Owner> owner = parse_owner(std::string_view(name).substr(beginning.size()));
    if (!owner) continue;  // a file of the user
    const bool of_this_host = owner->host == short_host_name();
    if (of_this_host ? process_runs(owner->pid) : !all_hosts) continue;
    fs::remove_all(entry.path(), ignored);
  }
}

std::string folder_of(const std::string& path) {
  const fs::path folder = fs::path(path).parent_path();
  return folder.empty() ? "." : folder.string();
}

}  // namespace scanmf::io
