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
#include "parallel/launcher.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::app {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds interval{2};

Index of_root(const Communicator& comm, Index value) {
  comm.broadcast(std::span<Index>(&value, 1));
  return value;
}

/// A log or a checkpoint, looked at again and again. All members are collective.
class Watch {
 public:
  Watch(const Communicator& comm, const std::string& file) : comm_(comm), file_(file) {
    comm_.agree([&] {
      if (comm_.is_root()) is_log_ = LogReader::is_log(file_);
    });
    is_log_ = of_root(comm_, is_log_ ? 1 : 0) != 0;
    if (is_log_ && comm_.is_root()) reader_.emplace(file_);
  }

  /// False when the file is gone: a checkpoint is removed when its run is done.
  bool update() {
    enum : Index { gone, same, changed };
    Index state = same;
    if (comm_.is_root()) {
      std::error_code error;
      const fs::file_time_type written = fs::last_write_time(file_, error);
      state = error ? gone : written_ && *written_ == written ? same : changed;
      if (!error) written_ = written;
    }
    state = of_root(comm_, state);
    if (state == changed) {
      if (is_log_) {
        comm_.agree([&] {
          if (comm_.is_root()) reader_->update();
        });
      } else {
        checkpoint_ = watched_run(read_model_header(comm_, file_));
      }
    }
    return state != gone;
  }

  /// Of root.
  const WatchedRun& run() const { return is_log_ ? reader_->run() : checkpoint_; }
  std::string text() const {
    const auto age = fs::file_time_type::clock::now() - written_.value_or(fs::file_time_type::clock::now());
    return text_of(run(), std::chrono::duration<double>(age).count());
  }

 private:
  const Communicator& comm_;
  std::string file_;
  bool is_log_ = false;
  std::optional<LogReader> reader_;
  WatchedRun checkpoint_;
  std::optional<fs::file_time_type> written_;
};

}  // namespace

int watch(const Communicator& comm, const CommandLine& line) {
  const RunLog log(comm, line);
  const std::string mode = line.text("follow");
  const bool terminal = isatty(STDOUT_FILENO) != 0 && !is_launched();  // mpirun gives its ranks one that nobody sees
  const bool follow = of_root(comm, mode == "true" || (mode == "auto" && terminal) ? 1 : 0) != 0;
  Watch watched(comm, line.inputs().front());
  for (;;) {
    const bool there = watched.update();
    Index again = 0;
    comm.agree([&] {
      if (!comm.is_root()) return;
      print_result((follow && terminal ? "\033[H\033[J" : "") + watched.text());
      if (!there) print_result(fmt::format("'{}' is gone: the run is done\n", line.inputs().front()));
      again = follow && there && watched.run().end.empty() ? 1 : 0;
    });
    if (of_root(comm, again) == 0) return static_cast<int>(ExitStatus::done);
    std::this_thread::sleep_for(interval);
  }
}

}  // namespace scanmf::app
