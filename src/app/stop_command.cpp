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

constexpr Index most_bytes = 4096;  // of a lock

/// Who runs with this checkpoint. Throws Error when nobody does: a file STOP would end the next run at its first
/// iteration.
LockHolder running_holder(const std::string& checkpoint) {
  const std::string lock = lock_name(checkpoint);
  if (!fs::exists(lock))
    throw Error(fmt::format("no run has the checkpoint '{}' at the moment (there is no '{}'): nobody is asked to stop",
                            checkpoint, lock));
  const LockHolder holder = LockHolder::parse(io::read_small_file(lock, most_bytes));
  if (holder.host.empty())
    throw Error(fmt::format("'{}' does not say yet who has the checkpoint '{}': try again", lock, checkpoint));
  if (holder.host == io::host_name() && !io::process_runs(holder.pid))
    throw Error(
        fmt::format("the run of the checkpoint '{}' (process {}) is gone: the fit command goes on from what it "
                    "has left",
                    checkpoint, holder.pid));
  return holder;
}

/// The file STOP is one for all checkpoints of a folder.
void warn_of_others(const std::string& checkpoint) {
  const std::string own = fs::path(lock_name(checkpoint)).filename().string();
  for (const fs::directory_entry& entry : fs::directory_iterator(io::folder_of(lock_name(checkpoint))))
    if (entry.path().extension() == ".lock" && entry.path().filename() != own)
      log_warning(
          fmt::format("runs with other checkpoints in this folder stop too ('{}')", entry.path().filename().string()));
}

}  // namespace

int stop(const Communicator& comm, const CommandLine& line) {
  const RunLog log(comm, line);
  const std::string& checkpoint = line.inputs().front();
  comm.agree([&] {
    if (!comm.is_root()) return;
    const LockHolder holder = running_holder(checkpoint);
    const std::string name = lock_name(checkpoint);
    const std::string file = stop_file(name.substr(0, name.rfind(".lock")));
    const bool asked_before = fs::exists(file);
    if (!asked_before) io::PosixFile::create_exclusive(file, file);
    warn_of_others(checkpoint);
    log.print(
        fmt::format("process {} on {} {}to stop after the iteration at hand, with a checkpoint and status 75; the "
                    "same fit command goes on\n",
                    holder.pid, printable(holder.host), asked_before ? "was asked before " : "is asked "));
  });
  return static_cast<int>(ExitStatus::done);
}

}  // namespace scanmf::app
