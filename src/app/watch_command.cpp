#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <optional>
#include <span>
#include <thread>

#include "app/commands.hpp"
#include "app/run_log.hpp"
#include "app/watched_run.hpp"
#include "core/standard_streams.hpp"
#include "model/lock_file.hpp"
#include "parallel/launcher.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/timer.hpp"

namespace scanmf::app {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds interval{2};

Index of_root(const Communicator& comm, Index value) {
  comm.broadcast(std::span<Index>(&value, 1));
  return value;
}

bool runs(const std::optional<LockState>& lock) { return lock && lock->gone.empty(); }

/// Why nothing more comes into a log that does not say how its run ended; empty when more may come. age: seconds since
/// it was written.
std::string reason_of_silence(const WatchedRun& run, double age) {
  if (!run.process || run.process->host.empty()) return "";  // a log of an older version
  constexpr const char* gone = "gone without a word: {}; with a checkpoint the same command goes on";
  if (const std::string reason = reason_to_take_over(*run.process, 0); !reason.empty())
    return fmt::format(gone, reason);
  if (run.checkpoint.empty()) return "";
  try {  // of a process on another host its lock tells
    const std::optional<LockState> lock = look_at_lock(lock_name(run.checkpoint));
    if (lock && !lock->gone.empty()) return fmt::format(gone, lock->gone);
    const bool another = lock && (lock->holder.host != run.process->host || lock->holder.pid != run.process->pid);
    if (another || (!lock && age > static_cast<double>(LockFile::patience.count())))
      return fmt::format(gone, "it does not hold its checkpoint any more");
  } catch (const Error&) {
    return "";  // something else is in the lock's place
  }
  return "";
}

/// A log or a checkpoint, looked at again and again. All members are collective.
class Watch {
 public:
  Watch(const Communicator& comm, const std::string& file) : comm_(comm), file_(file) {
    comm_.agree([&] {
      if (!comm_.is_root()) return;
      std::error_code ignored;
      if (!fs::exists(file_, ignored) && runs(look_at_lock(lock_name(file_)))) return;  // it has saved nothing yet
      is_log_ = LogReader::is_log(file_);
      if (is_log_) reader_.emplace(file_);
      is_ensemble_ = !is_log_ && watched_ensemble(file_).has_value();
    });
    is_log_ = of_root(comm_, is_log_ ? 1 : 0) != 0;
    is_ensemble_ = of_root(comm_, is_ensemble_ ? 1 : 0) != 0;
  }

  void update() {
    enum : Index { same, changed };
    Index state = same;
    comm_.agree([&] {
      if (!comm_.is_root()) return;
      std::error_code error;
      const fs::file_time_type written = fs::last_write_time(file_, error);
      there_ = !error;
      state = there_ && written_ != written ? changed : same;
      if (there_) written_ = written;
      if (is_log_ && state == changed) reader_->update();
      if (is_ensemble_ && state == changed) read_ensemble();
      if (!is_log_) lock_ = look_at_lock(lock_name(file_));
    });
    if (of_root(comm_, state) == changed && !is_log_ && !is_ensemble_) read_checkpoint();
    if (comm_.is_root()) judge();
  }

  /// Of root.
  bool goes_on() const { return run_.end.empty(); }
  std::string text() const { return text_of(run_, age()); }

 private:
  /// It may be removed, by a run that is done, while it is read.
  void read_checkpoint() {
    try {
      run_ = watched_run(read_model_header(comm_, file_));
    } catch (const AgreedError&) {
      std::error_code ignored;
      if (comm_.is_root()) there_ = fs::exists(file_, ignored);
      if (of_root(comm_, there_ ? 1 : 0) != 0) throw;
    }
  }

  /// How long a replicate takes is known of those that have come to an end since the first look.
  void read_ensemble() {
    const auto ensemble = watched_ensemble(file_);
    if (!ensemble) throw Error(fmt::format("'{}' is no checkpoint of an ensemble any more", file_));
    run_ = *ensemble;
    EnsembleProgress& now = *run_.ensemble;
    if (!first_done_) {
      first_done_ = now.done;
      since_first_look_.reset();
    } else if (now.done > *first_done_) {
      now.seconds_left = since_first_look_.seconds() * static_cast<double>(now.all - now.done) /
                         static_cast<double>(now.done - *first_done_);
    }
  }

  double age() const {
    const auto age = fs::file_time_type::clock::now() - written_.value_or(fs::file_time_type::clock::now());
    return std::chrono::duration<double>(age).count();
  }

  /// Whether the run has ended, if the file itself does not say so.
  void judge() {
    if (is_log_) run_ = reader_->run();
    if (!run_.end.empty()) return;
    if (is_log_) {
      run_.end = there_ ? reason_of_silence(run_, age()) : fmt::format("'{}' is gone", file_);
    } else if (!there_) {
      if (!runs(lock_)) run_.end = fmt::format("'{}' is gone: the run is done", file_);
    } else if (!lock_) {
      run_.end = "no run has this checkpoint at the moment; the same command goes on from it";
    } else if (!lock_->gone.empty()) {
      run_.end = fmt::format("the run is gone ({}); the same command goes on from its checkpoint", lock_->gone);
    }
  }

  const Communicator& comm_;
  std::string file_;
  bool is_log_ = false;
  bool is_ensemble_ = false;  // its checkpoint
  // On root.
  std::optional<LogReader> reader_;
  std::optional<LockState> lock_;  // of a checkpoint
  std::optional<fs::file_time_type> written_;
  bool there_ = false;
  std::optional<Index> first_done_;  // replicates of an ensemble, when it was first looked at
  Timer since_first_look_;
  WatchedRun run_;
};

}  // namespace

int watch(const Communicator& comm, const CommandLine& line) {
  const RunLog log(comm, line);
  const std::string mode = line.text("follow");
  const bool terminal = isatty(STDOUT_FILENO) != 0 && !is_launched();  // mpirun gives its ranks one that nobody sees
  const bool follow = of_root(comm, mode == "true" || (mode == "auto" && terminal) ? 1 : 0) != 0;
  Watch watched(comm, line.inputs().front());
  for (;;) {
    watched.update();
    Index again = 0;
    comm.agree([&] {
      if (!comm.is_root()) return;
      print_result((follow && terminal ? "\033[H\033[J" : "") + watched.text());
      again = follow && watched.goes_on() ? 1 : 0;
    });
    if (of_root(comm, again) == 0) return static_cast<int>(ExitStatus::done);
    std::this_thread::sleep_for(interval);
  }
}

}  // namespace scanmf::app
