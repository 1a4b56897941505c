#include <fmt/format.h>

#include <filesystem>

#include "app/commands.hpp"
#include "app/run_log.hpp"
#include "core/printable.hpp"
#include "io/file_names.hpp"
#include "io/posix_file.hpp"
#include "model/lock_file.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/log.hpp"
#include "scanmf/estimator/job.hpp"

namespace scanmf::app {
namespace {

namespace fs = std::filesystem;

/// Who runs with this checkpoint. Throws Error when nobody does: a file STOP would end the next run at its first
/// iteration.
LockHolder running_holder(const std::string& checkpoint) {
  const std::string lock = lock_name(checkpoint);
  const std::optional<LockState> state = look_at_lock(lock);
  if (!state)
    throw Error(fmt::format("no run has the checkpoint '{}' at the moment (there is no '{}'): nobody is asked to stop",
                            checkpoint, lock));
  if (state->holder.host.empty() && state->gone.empty())
    throw Error(fmt::format("'{}' does not say yet who has the checkpoint '{}': try again", lock, checkpoint));
  if (state->holder.holds == "model" && !state->gone.empty())
    throw Error(
        fmt::format("'{}' is no checkpoint, and the partial-fit that had it as its model is gone ({}): it has "
                    "left the model as it was",
                    checkpoint, state->gone));
  if (state->holder.holds == "model")
    throw Error(
        fmt::format("'{}' is no checkpoint: process {} on {} updates it as a model (partial-fit), and is done after "
                    "one step",
                    checkpoint, state->holder.pid, state->holder.host));
  if (!state->gone.empty())
    throw Error(
        fmt::format("the run of the checkpoint '{}' is gone ({}): the fit command goes on from what it has left",
                    checkpoint, state->gone));
  return state->holder;
}

/// The file STOP is one for all checkpoints of a folder.
void warn_of_others(const std::string& own_lock) {
  const std::string own = fs::path(own_lock).filename().string();
  std::error_code ignored;
  for (const fs::directory_entry& entry : fs::directory_iterator(io::folder_of(own_lock), ignored)) {
    if (entry.path().extension() != ".lock" || entry.path().filename() == own) continue;
    try {
      const std::optional<LockState> other = look_at_lock(entry.path().string());
      if (other && other->gone.empty() && other->holder.holds != "model")
        log_warning(fmt::format("runs with other checkpoints in this folder stop too ('{}')",
                                entry.path().filename().string()));
    } catch (const Error&) {
      continue;  // of other programs
    }
  }
}

/// Makes the file STOP; false when it is there. Throws Error for what no run takes for it.
bool ask(const std::string& file) {
  std::error_code ignored;
  const fs::file_status status = fs::status(file, ignored);
  if (fs::is_regular_file(status)) return false;
  if (fs::exists(fs::symlink_status(file, ignored)))
    throw Error(fmt::format("'{}' is {}, and no run takes that for the file that asks it to stop: move it away", file,
                            fs::is_directory(status) ? "a folder" : "a link to nowhere, a device or a FIFO"));
  io::PosixFile::create_exclusive(file, file);
  return true;
}

}  // namespace

int stop(const Communicator& comm, const CommandLine& line) {
  const RunLog log(comm, line);
  const std::string& checkpoint = line.inputs().front();
  comm.agree([&] {
    if (!comm.is_root()) return;
    const LockHolder holder = running_holder(checkpoint);
    const std::string lock = lock_name(checkpoint);
    const bool is_new = ask(stop_file(lock));
    warn_of_others(lock);
    log.print(
        fmt::format("process {} on {} {}to stop after the iteration at hand, with a checkpoint and status 75; the "
                    "same fit command goes on\n",
                    holder.pid, printable(holder.host), is_new ? "is asked " : "was asked before "));
  });
  return static_cast<int>(ExitStatus::done);
}

}  // namespace scanmf::app
