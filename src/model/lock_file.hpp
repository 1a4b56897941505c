#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "scanmf/core/types.hpp"

namespace scanmf {

/// Who holds a lock.
struct LockHolder {
  std::string host;
  Index pid = 0;
  std::string start;       // boot and time of the process's start: a process number is used again
  std::string job;         // of the batch system; empty without one
  std::string restart;     // how often the batch system has restarted the job
  std::string holds = {};  // what it has locked: "checkpoint" or "model" (of partial-fit, which no file STOP stops)
  friend bool operator==(const LockHolder&, const LockHolder&) = default;

  /// This process.
  static LockHolder current();
  std::string text() const;
  static LockHolder parse(const std::string& text);
};

/// Why the job that holds a lock is known to be gone; empty when it may live. age: seconds since its last sign of life.
std::string reason_to_take_over(const LockHolder& holder, double age);

/// What a lock says of the job that holds it.
struct LockState {
  LockHolder holder;
  std::string gone;  // why it is known not to run any more; empty: it may run
};
/// Local. nullopt when there is no lock. The holder has no host yet while a lock is being written. Throws Error for
/// what is no lock of this program.
std::optional<LockState> look_at_lock(const std::string& path);

/// Local. The name of the lock of `file`: FILE.lock, symbolic links followed. Throws Error for what is not a file.
std::string lock_name(const std::string& file);

/// A file whose existence means that a job uses something, on whatever host of a shared file system. It holds the job's
/// host, process and number; a thread refreshes its time while the job lives, so that other hosts can tell a running
/// job from one whose node is gone.
class LockFile {
 public:
  static constexpr std::chrono::seconds refresh_interval{20};
  /// A lock of another host that was not refreshed for so long is taken over.
  static constexpr std::chrono::seconds patience{180};

  /// Local. Takes the lock, also from a job that is gone (the log says so). `subject`: what is locked, for messages.
  /// holds: as in LockHolder. Throws Error naming the holder when it lives, or the reason when the file cannot be made.
  LockFile(std::string path, std::string subject, std::string holds = "checkpoint");
  ~LockFile();
  LockFile(const LockFile&) = delete;
  LockFile& operator=(const LockFile&) = delete;

  /// Throws Error when another job has taken the lock over (this one was stopped for too long).
  void check_still_mine() const;

  /// Gives the lock back before the end of its life, from a handler of a signal that ends this process: makes no calls
  /// that it may not make.
  void release() const noexcept;

 private:
  /// Makes no calls that a handler of a signal may not make.
  bool is_mine() const noexcept;
  void acquire(const std::string& candidate);
  void take_over(const std::string& seen, const std::string& why);
  void refresh(const std::stop_token& stop);

  std::string path_;
  std::string subject_;
  std::string mine_;  // contents of the file
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread refresher_;
};

}  // namespace scanmf
