#include "model/lock_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <iterator>
#include <optional>
#include <span>
#include <sstream>
#include <string_view>

#include "core/printable.hpp"
#include "io/output_file.hpp"
#include "io/posix_file.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/log.hpp"

namespace scanmf {
namespace {

std::optional<std::string> contents_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  return std::string(std::istreambuf_iterator<char>(file), {});
}

std::string environment(std::initializer_list<const char*> names) {
  for (const char* name : names)
    if (const char* value = std::getenv(name); value != nullptr && *value != '\0') return value;
  return {};
}

/// Boot of this host and start of a process of it; empty when the system does not tell.
std::string start_of(Index pid) {
  const std::string boot = contents_of("/proc/sys/kernel/random/boot_id").value_or("");
  const std::string status = contents_of(fmt::format("/proc/{}/stat", pid)).value_or("");
  const std::size_t after_name = status.rfind(')');  // the name may hold anything
  if (boot.empty() || after_name == std::string::npos) return {};
  constexpr int fields_before_start = 19;
  std::istringstream fields(status.substr(after_name + 1));
  std::string field;
  for (int i = 0; i <= fields_before_start; ++i) fields >> field;
  return boot.substr(0, boot.find('\n')) + "/" + field;
}

/// Text of a lock; nullopt when there is none. Throws Error, at once, for what is no lock of this program: it is not
/// ours to read or to remove.
std::optional<std::string> lock_text(const std::string& path) {
  constexpr std::size_t most = 4096;
  const auto refuse = [&](const char* what) {
    throw Error(fmt::format("{} is {}, not a lock of this program: move it away or name another file", path, what));
  };
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (descriptor < 0 && errno == ENOENT) return std::nullopt;
  if (descriptor < 0 && errno == ELOOP) refuse("a symbolic link");
  if (descriptor < 0 && errno == ENXIO) refuse("a socket or a device");
  if (descriptor < 0) io::throw_system_error(fmt::format("{} cannot be read", path), errno);
  struct stat status {};
  const bool regular = ::fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode);
  std::string text(most + 1, '\0');
  const ssize_t bytes = regular ? ::read(descriptor, text.data(), text.size()) : 0;
  ::close(descriptor);
  if (!regular) refuse(S_ISDIR(status.st_mode) ? "a folder" : "a FIFO or a device");
  if (bytes < 0) throw Error(fmt::format("{} cannot be read", path));
  text.resize(static_cast<std::size_t>(bytes));
  const LockHolder holder = LockHolder::parse(text);
  if (!text.empty() && (text.size() > most || holder.host.empty() || holder.pid <= 0)) refuse("another file");
  return text;
}

std::string name_of(const LockHolder& holder) {
  if (holder.host.empty()) return "a job that has not yet written its name";
  return fmt::format("process {} on {}{}", holder.pid, holder.host,
                     holder.job.empty() ? "" : fmt::format(", job {}", holder.job));
}

/// Seconds since `path` was refreshed, by the clock that also dated `now` (that of the file server); nullopt when it is
/// gone.
std::optional<double> age_of(const std::string& path, const std::string& now) {
  struct stat then_status {};
  struct stat now_status {};
  if (::stat(path.c_str(), &then_status) != 0 || ::stat(now.c_str(), &now_status) != 0) return std::nullopt;
  return static_cast<double>(now_status.st_mtim.tv_sec - then_status.st_mtim.tv_sec);
}

/// While it lives, no other process removes the file that had this name, where the file system can lock files.
class RemovalGuard {
 public:
  explicit RemovalGuard(const std::string& path)
      : descriptor_(::open(path.c_str(), O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)) {
    if (descriptor_ < 0) {
      may_remove_ = errno != ENOENT;  // of another user: there is nothing to lock
      return;
    }
    struct stat locked {};
    struct stat named {};
    const bool taken = ::flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    may_remove_ = !taken && ::fstat(descriptor_, &locked) == 0 && ::lstat(path.c_str(), &named) == 0 &&
                  locked.st_dev == named.st_dev && locked.st_ino == named.st_ino;
  }
  ~RemovalGuard() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  RemovalGuard(const RemovalGuard&) = delete;
  RemovalGuard& operator=(const RemovalGuard&) = delete;

  /// False when another process is removing the file, or has.
  bool may_remove() const { return may_remove_; }

 private:
  int descriptor_;
  bool may_remove_ = false;
};

}  // namespace

LockHolder LockHolder::current() {
  return {io::host_name(), ::getpid(), start_of(::getpid()), environment({"SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID"}),
          environment({"SLURM_RESTART_COUNT"})};
}

std::string reason_to_take_over(const LockHolder& holder, double age) {
  const LockHolder me = LockHolder::current();
  const auto patience = static_cast<double>(LockFile::patience.count());
  if (holder.host.empty())
    return age > patience ? fmt::format("it was left empty {:.0f} s ago", age) : "";  // killed before it was written
  if (holder.host == me.host) {
    const bool runs = io::process_runs(holder.pid) && (holder.start.empty() || start_of(holder.pid) == holder.start);
    return runs ? "" : fmt::format("process {} of this host does not run any more", holder.pid);
  }
  if (!holder.job.empty() && holder.job == me.job && holder.restart != me.restart)
    return fmt::format("job {} was restarted on this host", holder.job);
  if (age > patience)
    return fmt::format("process {} on {} has given no sign of life for {:.0f} s", holder.pid, holder.host, age);
  return {};
}

std::optional<LockState> look_at_lock(const std::string& path) {
  const std::optional<std::string> text = lock_text(path);
  struct stat status {};
  if (!text || ::stat(path.c_str(), &status) != 0) return std::nullopt;
  // By this host's clock: who only looks makes no file there, by which the file server's could be told.
  const LockHolder holder = LockHolder::parse(*text);
  return LockState{holder, reason_to_take_over(holder, std::difftime(::time(nullptr), status.st_mtim.tv_sec))};
}

std::string LockHolder::text() const {
  return fmt::format("host={}\npid={}\nstart={}\njob={}\nrestart={}\nholds={}\n", host, pid, start, job, restart,
                     holds);
}

LockHolder LockHolder::parse(const std::string& text) {
  LockHolder holder;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t equals = line.find('=');
    if (equals == std::string::npos) continue;
    const std::string key = line.substr(0, equals);
    const std::string value = printable(line.substr(equals + 1));
    if (key == "host") holder.host = value;
    if (key == "pid") holder.pid = std::strtoll(value.c_str(), nullptr, 10);
    if (key == "start") holder.start = value;
    if (key == "job") holder.job = value;
    if (key == "restart") holder.restart = value;
    if (key == "holds") holder.holds = value;
  }
  return holder;
}

std::string lock_name(const std::string& file) { return io::resolve_target(file) + ".lock"; }

LockFile::LockFile(std::string path, std::string subject, std::string holds)
    : path_(std::move(path)), subject_(std::move(subject)) {
  LockHolder me = LockHolder::current();
  me.holds = std::move(holds);
  mine_ = me.text();
  // Written beside its name and linked to it: the lock appears with its contents, and only where there was none.
  io::remove_stale_temporaries(path_);
  const std::string candidate = io::temporary_name(path_);
  try {
    const io::PosixFile file = io::PosixFile::create_exclusive(candidate, path_);
    file.write(0, std::as_bytes(std::span(mine_)));
    acquire(candidate);
  } catch (...) {
    ::unlink(candidate.c_str());
    throw;
  }
  ::unlink(candidate.c_str());
  refresher_ = std::jthread([this](const std::stop_token& stop) { refresh(stop); });
}

LockFile::~LockFile() {
  refresher_.request_stop();
  wake_.notify_all();
  refresher_.join();
  release();
}

void LockFile::release() const noexcept {
  if (is_mine()) ::unlink(path_.c_str());
}

bool LockFile::is_mine() const noexcept {
  const int descriptor = ::open(path_.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (descriptor < 0) return false;
  std::array<char, 4096> contents;
  const ssize_t size = ::read(descriptor, contents.data(), contents.size());
  ::close(descriptor);
  return size > 0 && std::string_view(contents.data(), static_cast<std::size_t>(size)) == mine_;
}

void LockFile::acquire(const std::string& candidate) {
  constexpr int attempts = 100;  // several jobs that find the same abandoned lock get in each other's way
  for (int attempt = 0; attempt < attempts; ++attempt) {
    if (::link(candidate.c_str(), path_.c_str()) == 0) return;
    if (errno != EEXIST) {  // a file system without hard links
      const int descriptor = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
      if (descriptor < 0 && errno != EEXIST) io::throw_system_error(fmt::format("{} cannot be written", path_), errno);
      if (descriptor >= 0) {
        ::close(descriptor);
        io::PosixFile::open_for_writing(path_, path_).write(0, std::as_bytes(std::span(mine_)));
        return;
      }
    }
    const std::optional<std::string> seen = lock_text(path_);
    const std::optional<double> age = age_of(path_, candidate);
    if (!seen || !age) continue;  // given back a moment ago
    const LockHolder holder = LockHolder::parse(*seen);
    const std::string why = reason_to_take_over(holder, *age);
    if (why.empty())
      throw Error(
          fmt::format("{} is in use by {} (last sign of life {:.0f} s ago): wait until it ends or name another file; "
                      "if it is gone, remove {}",
                      subject_, name_of(holder), std::max(0.0, *age), path_));
    take_over(*seen, why);
  }
  throw Error(fmt::format("{} cannot be locked: several jobs want it; name another file", subject_));
}

/// Removes an abandoned lock. Who wants to remove it locks the file itself before, and looks whether it is still the
/// one of this name: so of many that find it at the same time one removes it, and never the lock that another has put
/// in its place. File systems that cannot lock leave a moment between looking and renaming, in which another job may
/// have put its own in place: that one is put back.
void LockFile::take_over(const std::string& seen, const std::string& why) {
  const RemovalGuard guard(path_);
  if (!guard.may_remove() || lock_text(path_) != seen)
    return std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const std::string aside = io::temporary_name(path_);
  if (::rename(path_.c_str(), aside.c_str()) != 0) return;
  const bool abandoned = lock_text(aside) == seen;
  if (abandoned)
    log_warning(fmt::format("{}: lock taken over, {}", subject_, why));
  else
    (void)!::link(aside.c_str(), path_.c_str());
  ::unlink(aside.c_str());
}

void LockFile::refresh(const std::stop_token& stop) {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);  // signals are for the main thread
  std::unique_lock lock(mutex_);
  while (!stop.stop_requested()) {
    wake_.wait_for(lock, stop, refresh_interval, [] { return false; });
    if (!stop.stop_requested() && is_mine()) ::utimensat(AT_FDCWD, path_.c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
  }
}

void LockFile::check_still_mine() const {
  if (is_mine()) return;
  const std::optional<std::string> now = lock_text(path_);
  const LockHolder holder = LockHolder::parse(now.value_or(""));
  throw Error(
      now ? fmt::format("{} was taken over by process {} on {}: this job is stopped so that the two do not mix",
                        subject_, holder.pid, holder.host)
          : fmt::format(
                "{} has lost its lock {}: it was removed; this job is stopped so that no other job mixes with it",
                subject_, path_));
}

}  // namespace scanmf
