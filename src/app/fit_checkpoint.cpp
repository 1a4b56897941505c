#include "app/fit_checkpoint.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "core/number_text.hpp"
#include "scanmf/core/log.hpp"

namespace scanmf::app {
namespace {

/// A stop file that has done its work and holds nothing: only that may be removed.
bool is_empty_file(const std::string& name) {
  std::error_code error;
  return std::filesystem::is_regular_file(std::filesystem::symlink_status(name, error)) && std::filesystem::file_size(name, error) == 0 && !error;
}

/// Throws Error for models: as a checkpoint they would be replaced, and removed at the end.
void require_checkpoint(const CheckpointGeneration& generation) {
  const auto names_data = [](const auto& entry) { return entry.first == "data"; };
  if (std::ranges::any_of(generation.header.state, names_data)) return;
  throw AgreedError(fmt::format("'{}' is no checkpoint of a run (option '--checkpoint'): name another file", generation.file));
}

/// --max-time in seconds; nullopt: no limit.
std::optional<double> time_limit(const Communicator& comm, const std::string& text) {
  if (text == "none") return std::nullopt;
  if (text != "auto") return parse_time(text);
  double left = -1;  // negative: none; the clocks and environments of other ranks may differ
  if (comm.is_root()) left = slurm_seconds_left().value_or(-1);
  comm.broadcast(std::span<double>(&left, 1));
  if (left < 0) return std::nullopt;
  log_information(fmt::format("Slurm leaves {:.0f} s to this job", left));
  return left;
}

}  // namespace

FitCheckpoint::FitCheckpoint(const Communicator& comm, const CommandLine& line, PhaseTimes& times)
    : comm_(comm), times_(times), resume_(line.text("resume")) {
  const std::string file = line.text("checkpoint");
  if (file.empty()) return;
  const std::string every = line.text("checkpoint-every");
  every_iterations_ = parse_index(every);
  if (!every_iterations_) every_seconds_ = parse_time(every);
  signals_.emplace();
  limit_seconds_ = time_limit(comm, line.text("max-time"));
  checkpoint_.emplace(comm, file);
}

std::optional<CheckpointGeneration> FitCheckpoint::generation(const Checkpoint::Check& is_of_this_run) {
  if (!is_on()) return std::nullopt;
  std::optional<CheckpointGeneration> found = checkpoint_->load([&](const CheckpointGeneration& generation) {
    require_checkpoint(generation);
    is_of_this_run(generation);
  });
  if (!found && resume_ == "require") throw AgreedError(fmt::format("there is no checkpoint '{}' to resume from (--resume require)", file()));
  return resume_ == "never" ? std::nullopt : found;
}

void FitCheckpoint::iteration_done(const Progress& now) {
  iteration_ = now.iteration;
  iteration_seconds_ = std::max(now.seconds, 0.5 * iteration_seconds_);
}

bool FitCheckpoint::is_due() const {
  if (!comm_.is_root()) return false;  // one clock for all
  if (every_iterations_) return iteration_ + 1 - saved_iteration_ >= *every_iterations_;
  return since_save_.seconds() >= *every_seconds_;
}

bool FitCheckpoint::is_to_stop() {
  if (const auto signal = StopSignals::received()) {
    reason_ = *signal;
    return true;
  }
  if (!comm_.is_root()) return false;
  if (limit_seconds_ && since_start_.seconds() + 1.5 * iteration_seconds_ + 2 * save_seconds_ + 1 > *limit_seconds_) {
    reason_ = "the time limit is near";
    return true;
  }
  std::error_code error;
  if (std::filesystem::is_regular_file(stop_file(file()), error)) {
    reason_ = fmt::format("the file '{}'", stop_file(file()));
    stopped_by_file_ = true;
    return true;
  }
  return false;
}

std::string FitCheckpoint::reason() const {
  const std::vector<std::string> reasons = comm_.allgather(reason_);
  const auto first = std::ranges::find_if(reasons, [](const std::string& reason) { return !reason.empty(); });
  if (first == reasons.end()) return {};
  const auto rank = first - reasons.begin();
  return rank == 0 ? *first : fmt::format("{} on rank {}", *first, rank);
}

void FitCheckpoint::set_size(double bytes) {
  constexpr double slow_disk = 200e6;  // bytes a second
  save_seconds_ = std::max(1.0, bytes / slow_disk);
}

void FitCheckpoint::save(const std::function<void()>& write) {
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
    log_detail(
        fmt::format("checkpoint after iteration {} in {:.3f} s, {} bytes", iteration_, timer.seconds(), std::filesystem::file_size(file(), error)));
  if (!stopped_by_file_) return;
  // It has done its work; a next run is to go on.
  if (is_empty_file(stop_file(file())))
    std::filesystem::remove(stop_file(file()), error);
  else
    log_warning(fmt::format("'{}' is not empty and stays: remove it before the next run, which would stop too", stop_file(file())));
}

void FitCheckpoint::warn_of_cost() const {
  const double share = due_seconds_ / std::max(1e-9, since_start_.seconds());
  if (comm_.is_root() && share > 0.05)
    log_warning(fmt::format("checkpoints took {:.0f} % of the time; a longer --checkpoint-every would save it", 100 * share));
}

void FitCheckpoint::remove() {
  if (!is_on()) return;
  warn_of_cost();
  checkpoint_->remove();
}

}  // namespace scanmf::app
