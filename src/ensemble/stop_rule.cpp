#include "ensemble/stop_rule.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

namespace scanmf {

EnsembleStop::EnsembleStop(const Communicator& comm, const EnsembleControl& control, std::string checkpoint_file)
    : comm_(comm), control_(control), stop_file_(checkpoint_file.empty() ? "" : stop_file(checkpoint_file)) {}

bool EnsembleStop::is_asked() {
  if (!reason_.empty()) return true;
  if (const auto reason = control_.stop_requested ? control_.stop_requested() : std::nullopt) {
    reason_ = *reason;
    return true;
  }
  if (!comm_.is_root() || stop_file_.empty()) return false;
  const CheckpointOptions& checkpoint = control_.checkpoint;
  if (checkpoint.seconds_left && checkpoint.since.seconds() + 1.5 * iteration_seconds_ + 2 > *checkpoint.seconds_left) {
    reason_ = time_is_up;
    return true;
  }
  std::error_code error;
  if (std::filesystem::is_regular_file(stop_file_, error)) reason_ = fmt::format("the file '{}'", stop_file_);
  return !reason_.empty();
}

void EnsembleStop::iteration_done(double seconds) { iteration_seconds_ = std::max(seconds, 0.5 * iteration_seconds_); }

std::string EnsembleStop::reason() const {
  const std::vector<std::string> reasons = comm_.allgather(reason_);
  for (std::size_t rank = 0; rank < reasons.size(); ++rank)
    if (!reasons[rank].empty()) return rank == 0 ? reasons[rank] : fmt::format("{} on rank {}", reasons[rank], rank);
  return {};
}

void EnsembleStop::remove_file() const {
  std::error_code error;
  if (stop_file_.empty() || !std::filesystem::is_regular_file(stop_file_, error)) return;
  if (std::filesystem::file_size(stop_file_, error) == 0) std::filesystem::remove(stop_file_, error);
}

}  // namespace scanmf
