#include "estimator/run_checkpoint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "scanmf/core/error.hpp"
#include "scanmf/core/log.hpp"

namespace scanmf {
namespace {

/// A stop file that has done its work and holds nothing: only that may be removed.
bool is_empty_file(const std::string& name) {
  std::error_code error;
  const auto status = std::filesystem::symlink_status(name, error);
  return std::filesystem::is_regular_file(status) && std::filesystem::file_size(name, error) == 0 && !error;
}

/// Throws AgreedError for models: as a checkpoint they would be replaced, and removed at the end.
void require_checkpoint(const CheckpointGeneration& generation) {
  if (is_checkpoint(generation.header)) return;
  throw AgreedError(
      fmt::format("'{}' is no checkpoint of a run: name another file for the checkpoint", generation.file));
}

}  // namespace

RunCheckpoint::RunCheckpoint(const Communicator& comm, const JobOptions& options, PhaseTimes& times)
    : comm_(comm), options_(options), times_(times) {
  if (!options.checkpoint.file.empty()) checkpoint_.emplace(comm, options.checkpoint.file);
}

std::optional<CheckpointGeneration> RunCheckpoint::generation(const Checkpoint::Check& is_of_this_run) {
  if (!is_on()) return std::nullopt;
  std::optional<CheckpointGeneration> found = checkpoint_->load([&](const CheckpointGeneration& generation) {
    require_checkpoint(generation);
    is_of_this_run(generation);
  });
  const Resume resume = options_.checkpoint.resume;
  if (!found && resume == Resume::require)
    throw AgreedError(
        fmt::format("there is no checkpoint '{}' to resume from, and resume is 'require'", checkpoint_->file()));
  return resume == Resume::never ? std::nullopt : found;
}

void RunCheckpoint::iteration_done(const Progress& now) {
  iteration_ = now.iteration;
  iteration_seconds_ = std::max(now.seconds, 0.5 * iteration_seconds_);
  if (options_.on_progress) options_.on_progress(now);
}

bool RunCheckpoint::is_due() const {
  if (!comm_.is_root()) return false;  // one clock for all
  if (options_.checkpoint.every_iterations)
    return iteration_ + 1 - saved_iteration_ >= *options_.checkpoint.every_iterations;
  return since_save_.seconds() >= options_.checkpoint.every_seconds;
}

bool RunCheckpoint::is_to_stop() {
  if (const auto reason = options_.stop_requested ? options_.stop_requested() : std::nullopt) {
    reason_ = *reason;
    return true;
  }
  if (!is_on() || !comm_.is_root()) return false;
  const CheckpointOptions& checkpoint = options_.checkpoint;
  if (checkpoint.seconds_left &&
      checkpoint.since.seconds() + 1.5 * iteration_seconds_ + 2 * save_seconds_ + 1 > *checkpoint.seconds_left) {
    reason_ = "the time limit is near";
    return true;
  }
  std::error_code error;
  const std::string file = stop_file(checkpoint_->file());
  stopped_by_file_ = std::filesystem::is_regular_file(file, error);
  if (stopped_by_file_) reason_ = fmt::format("the file '{}'", file);
  return stopped_by_file_;
}

std::string RunCheckpoint::reason() const {
  const std::vector<std::string> reasons = comm_.allgather(reason_);
  const auto first = std::ranges::find_if(reasons, [](const std::string& reason) { return !reason.empty(); });
  if (first == reasons.end()) return {};
  const auto rank = first - reasons.begin();
  return rank == 0 ? *first : fmt::format("{} on rank {}", *first, rank);
}

void RunCheckpoint::set_size(double bytes) {
  constexpr double slow_disk = 200e6;  // bytes a second
  save_seconds_ = std::max(1.0, bytes / slow_disk);
}

void RunCheckpoint::save(const std::function<void()>& write) {
  const Timer timer;
  const bool due = is_due();
  {
    const PhaseTimer phase(times_, Phase::checkpoint);
    write();
  }
  save_seconds_ = std::max(has_saved_ ? save_seconds_ : 1, timer.seconds());
  has_saved_ = true;
  if (due) due_seconds_ += timer.seconds();
  saved_iteration_ = iteration_;
  since_save_.reset();
  std::error_code error;
  if (comm_.is_root())
    log_detail(fmt::format("checkpoint after iteration {} in {:.3f} s, {} bytes", iteration_, timer.seconds(),
                           std::filesystem::file_size(checkpoint_->file(), error)));
  if (!stopped_by_file_) return;
  // It has done its work; a next run is to go on.
  const std::string file = stop_file(checkpoint_->file());
  if (is_empty_file(file)) {
    std::filesystem::remove(file, error);
  } else {
    log_warning(fmt::format("'{}' is not empty and stays: remove it before the next run, which would stop too", file));
  }
}

void RunCheckpoint::warn_of_cost() const {
  const double share = due_seconds_ / std::max(1e-9, since_start_.seconds());
  if (comm_.is_root() && share > 0.05)
    log_warning(fmt::format(
        "checkpoints took {:.0f} % of the time; a longer time between them (checkpoint-every) would save it",
        100 * share));
}

void RunCheckpoint::remove() {
  if (!is_on()) return;
  warn_of_cost();
  checkpoint_->remove();
}

std::string stop_file(const std::string& checkpoint) {
  return (std::filesystem::path(checkpoint).parent_path() / "STOP").string();
}

}  // namespace scanmf
