#include "scanmf/model/checkpoint.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <filesystem>

#include "io/output_file.hpp"
#include "io/posix_file.hpp"
#include "model/lock_file.hpp"
#include "model/read_header.hpp"
#include "scanmf/core/log.hpp"

namespace scanmf {
namespace {

std::string damaged_name(const std::string& file) { return file + ".damaged"; }

/// What tells the file of this name from others, links not followed; empty when there is nothing. The number alone is
/// used again for the next file.
std::string identity(const std::string& name) {
  struct stat status {};
  if (::lstat(name.c_str(), &status) != 0) return {};
  return fmt::format("{}:{}:{}:{}.{:09}", status.st_dev, status.st_ino, status.st_size, status.st_mtim.tv_sec,
                     status.st_mtim.tv_nsec);
}

/// True for what can be seen to have been a model: nothing at all is left of it, or its beginning.
bool is_rest_of_model(const std::string& name) {
  constexpr Index most = Index{64} << 10;
  try {
    const io::PosixFile file = io::PosixFile::open_for_reading(name);
    std::string beginning(static_cast<std::size_t>(std::min(file.size(), most)), '\0');
    file.read(0, std::as_writable_bytes(std::span(beginning)));
    return beginning.empty() || beginning.find(model_format_name) != std::string::npos;
  } catch (const Error&) {
    return false;
  }
}

bool same(const Attribute& a, const Attribute& b) {
  const auto* x = std::get_if<double>(&a);
  const auto* y = std::get_if<double>(&b);
  return a == b || (x != nullptr && y != nullptr && std::isnan(*x) && std::isnan(*y));
}

}  // namespace

bool is_checkpoint(const ModelHeader& header) {
  return find_attribute(header.state, "data") != nullptr && find_attribute(header.provenance, "end") == nullptr;
}

Checkpoint::Checkpoint(const Communicator& comm, const std::string& file) : comm_(comm) {
  comm_.agree([&] {
    if (!comm_.is_root()) return;
    file_ = io::resolve_target(file);
    lock_ = std::make_unique<LockFile>(lock_name(file_), fmt::format("checkpoint {}", file));
    for (const std::string& name : {file_, io::previous_name(file_)}) io::remove_stale_temporaries(name, true);
  });
  file_ = comm_.broadcast(file_);
}

Checkpoint::~Checkpoint() = default;

std::vector<std::string> Checkpoint::files_beside(const std::string& file) {
  return {io::previous_name(file), damaged_name(file)};
}

template <Scalar T>
void Checkpoint::save(const ModelHeader& header, const ModelArrays<T>& arrays) {
  comm_.agree([&] {
    if (!lock_) return;
    lock_->check_still_mine();
    keep_strangers();
  });
  write_model<T>(comm_, file_, header, arrays, true);
  if (comm_.is_root()) ours_.insert(identity(file_));
}

std::optional<CheckpointGeneration> Checkpoint::load(const Check& check) {
  std::vector<CheckpointGeneration> whole;
  std::vector<std::string> damage;
  for (const std::string& name : {file_, io::previous_name(file_)}) {
    int exists = comm_.is_root() && !identity(name).empty() ? 1 : 0;
    comm_.broadcast(std::span(&exists, 1));
    if (exists == 0) continue;
    if (const auto reason = damage_of(name)) {
      damage.push_back(fmt::format("{} is damaged: {}", name, *reason));
      continue;
    }
    whole.push_back({name, read_verified_header(comm_, name)});
    if (check) check(whole.back());
  }
  const bool newest_is_whole = !whole.empty() && whole.front().file == file_;
  comm_.agree([&] {
    if (damage.empty()) return;
    if (whole.empty())
      throw Error(
          fmt::format("no generation of the checkpoint can be used: {}; name another file, or remove {} if it may go, "
                      "to start anew",
                      fmt::join(damage, "; "), damage.size() == 1 ? "it" : "both"));
    if (newest_is_whole)
      throw Error(
          fmt::format("{}; move it away if it is needed, remove it, or name another checkpoint", damage.front()));
  });
  if (comm_.is_root())
    for (const CheckpointGeneration& generation : whole) ours_.insert(identity(generation.file));
  if (whole.empty()) return std::nullopt;
  if (!newest_is_whole && !damage.empty()) {
    // Or the next save would put the damaged generation in the place of the good one.
    comm_.agree([&] {
      if (comm_.is_root())
        set_aside(file_, fmt::format("checkpoint {}; the generation before it is used", damage.front()));
    });
  }
  return whole.front();
}

/// Collective. Why a file in the place of a generation is none; nullopt when it is one. Throws AgreedError for what is
/// no file.
std::optional<std::string> Checkpoint::damage_of(const std::string& generation) {
  comm_.agree([&] {
    std::error_code error;
    if (comm_.is_root() && !std::filesystem::is_regular_file(std::filesystem::symlink_status(generation, error)))
      throw Error(
          fmt::format("{} is in the place of a checkpoint and no regular file: move it away or name another checkpoint",
                      generation));
  });
  return find_damage(comm_, generation);
}

/// Gives a file a name that is free.
void Checkpoint::set_aside(const std::string& name, const std::string& why) {
  std::string aside = damaged_name(file_);
  for (int number = 1; !identity(aside).empty(); ++number) aside = fmt::format("{}-{}", damaged_name(file_), number);
  if (::rename(name.c_str(), aside.c_str()) != 0)
    io::throw_system_error(fmt::format("{} cannot be renamed to {}", name, aside), errno);
  set_aside_.push_back(aside);
  log_warning(fmt::format("{}; kept as {}", why, aside));
}

/// Whatever another program has put in the place of a generation since is not ours to replace.
void Checkpoint::keep_strangers() {
  for (const std::string& name : {file_, io::previous_name(file_)})
    if (const std::string found = identity(name); !found.empty() && !ours_.contains(found))
      set_aside(name, fmt::format("{} is not what this run has written there", name));
}

void Checkpoint::remove() {
  comm_.agree([&] {
    if (!lock_) return;
    lock_->check_still_mine();
    const auto remove_file = [](const std::string& name) {
      std::error_code error;
      std::filesystem::remove(name, error);
      if (error) log_warning(fmt::format("{} cannot be removed: {}", name, error.message()));
    };
    for (const std::string& name : set_aside_) {
      if (is_rest_of_model(name)) remove_file(name);
    }
    // The newest last: killed in between, the job goes on from it.
    for (const std::string& name : {io::previous_name(file_), file_}) {
      if (ours_.contains(identity(name))) remove_file(name);
    }
  });
}

std::vector<std::string> differences(const Attributes& stored, const Attributes& current,
                                     std::span<const std::string> may_change) {
  const auto counts = [&](const std::string& name) {
    return std::find(may_change.begin(), may_change.end(), name) == may_change.end();
  };
  std::vector<std::string> found;
  for (const auto& [name, value] : current) {
    const Attribute* const before = find_attribute(stored, name);
    if (!counts(name) || (before != nullptr && same(*before, value))) continue;
    found.push_back(fmt::format("{} is {} there and {} now", name, before == nullptr ? "not given" : text_of(*before),
                                text_of(value)));
  }
  for (const auto& [name, value] : stored)
    if (counts(name) && find_attribute(current, name) == nullptr)
      found.push_back(fmt::format("{} is {} there and not given now", name, text_of(value)));
  return found;
}

void require_same(const std::string& file, const Attributes& stored, const Attributes& current,
                  std::span<const std::string> may_change) {
  const std::vector<std::string> found = differences(stored, current, may_change);
  if (found.empty()) return;
  throw Error(
      fmt::format("checkpoint {} belongs to other data or parameters: {}; give the same again, name another "
                  "checkpoint, or remove it "
                  "to start anew",
                  file, fmt::join(found, "; ")));
}

template void Checkpoint::save(const ModelHeader&, const ModelArrays<float>&);
template void Checkpoint::save(const ModelHeader&, const ModelArrays<double>&);

}  // namespace scanmf
