#include "scanmf/model/checkpoint.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <filesystem>

#include "io/output_file.hpp"
#include "model/lock_file.hpp"
#include "scanmf/core/log.hpp"

namespace scanmf {
namespace {

std::string damaged_name(const std::string& file) { return file + ".damaged"; }

std::string text_of(const Attribute& value) {
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  return std::visit([](const auto& alternative) { return fmt::format("{}", alternative); }, value);
}

bool same(const Attribute& a, const Attribute& b) {
  const auto* x = std::get_if<double>(&a);
  const auto* y = std::get_if<double>(&b);
  return a == b || (x != nullptr && y != nullptr && std::isnan(*x) && std::isnan(*y));
}

const Attribute* find(const Attributes& attributes, const std::string& name) {
  const auto found = std::find_if(attributes.begin(), attributes.end(), [&](const auto& attribute) { return attribute.first == name; });
  return found == attributes.end() ? nullptr : &found->second;
}

}  // namespace

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

template <Scalar T>
void Checkpoint::save(const ModelHeader& header, const ModelArrays<T>& arrays) {
  comm_.agree([&] {
    if (lock_) lock_->check_still_mine();
  });
  write_model<T>(comm_, file_, header, arrays, true);
}

std::optional<CheckpointGeneration> Checkpoint::load() {
  std::vector<std::string> damage;
  for (const std::string& generation : {file_, io::previous_name(file_)}) {
    int exists = comm_.is_root() && std::filesystem::exists(generation) ? 1 : 0;
    comm_.broadcast(std::span(&exists, 1));
    if (exists == 0) continue;
    if (const auto reason = find_damage(comm_, generation)) {
      damage.push_back(fmt::format("{} is damaged: {}", generation, *reason));
      continue;
    }
    if (!damage.empty()) {
      // Set aside, or the next save would put the damaged generation in the place of the good one.
      comm_.agree([&] {
        if (comm_.is_root() && ::rename(file_.c_str(), damaged_name(file_).c_str()) != 0)
          io::throw_system_error(fmt::format("{} cannot be renamed to {}", file_, damaged_name(file_)), errno);
      });
      if (comm_.is_root()) log_warning(fmt::format("checkpoint {}; kept as {}; the generation before it is used", damage[0], damaged_name(file_)));
    }
    return CheckpointGeneration{generation, read_model_header(comm_, generation)};
  }
  comm_.agree([&] {
    if (!damage.empty())
      throw Error(fmt::format("no generation of the checkpoint can be used: {}; remove {} to start anew", fmt::join(damage, "; "),
                              damage.size() == 1 ? "it" : "both"));
  });
  return std::nullopt;
}

void Checkpoint::remove() {
  comm_.agree([&] {
    if (!lock_) return;
    lock_->check_still_mine();
    // The newest last: killed in between, the job goes on from it.
    for (const std::string& name : {damaged_name(file_), io::previous_name(file_), file_}) {
      std::error_code error;
      std::filesystem::remove(name, error);
      if (error) log_warning(fmt::format("{} cannot be removed: {}", name, error.message()));
    }
  });
}

std::vector<std::string> differences(const Attributes& stored, const Attributes& current, std::span<const std::string> may_change) {
  const auto counts = [&](const std::string& name) { return std::find(may_change.begin(), may_change.end(), name) == may_change.end(); };
  std::vector<std::string> found;
  for (const auto& [name, value] : current) {
    const Attribute* const before = find(stored, name);
    if (!counts(name) || (before != nullptr && same(*before, value))) continue;
    found.push_back(fmt::format("{} is {} there and {} now", name, before == nullptr ? "not given" : text_of(*before), text_of(value)));
  }
  for (const auto& [name, value] : stored)
    if (counts(name) && find(current, name) == nullptr) found.push_back(fmt::format("{} is {} there and not given now", name, text_of(value)));
  return found;
}

void require_same(const std::string& file, const Attributes& stored, const Attributes& current, std::span<const std::string> may_change) {
  const std::vector<std::string> found = differences(stored, current, may_change);
  if (found.empty()) return;
  throw Error(
      fmt::format("checkpoint {} belongs to other data or parameters: {}; give the same again, name another checkpoint, or start anew with "
                  "--resume never",
                  file, fmt::join(found, "; ")));
}

template void Checkpoint::save(const ModelHeader&, const ModelArrays<float>&);
template void Checkpoint::save(const ModelHeader&, const ModelArrays<double>&);

}  // namespace scanmf
