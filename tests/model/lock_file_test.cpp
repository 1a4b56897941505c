#include "model/lock_file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <optional>

#include "io/output_file.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/log.hpp"
#include "support/messages.hpp"
#include "support/temporary_folder.hpp"

namespace scanmf {
namespace {

using test::expect_contains;
using test::message_of;
using test::TemporaryFolder;

/// What the log says while it lives.
class LogText {
 public:
  LogText() {
    set_log_sink([this](LogLevel, std::string_view message) { text_ += std::string(message) + "\n"; });
  }
  ~LogText() {
    set_log_sink([](LogLevel, std::string_view) {});
  }
  LogText(const LogText&) = delete;
  LogText& operator=(const LogText&) = delete;
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// Runs `work` in another process, which knows nothing of MPI; returns its number.
pid_t start_process(const std::function<int()>& work) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(work());
  return child;
}

/// A process that holds a lock until it is killed. Returns when it has it.
pid_t start_holder(const std::string& path) {
  int ready[2];
  EXPECT_EQ(::pipe(ready), 0);
  const pid_t child = start_process([&] {
    const LockFile lock(path, "checkpoint ck.h5");
    EXPECT_EQ(::write(ready[1], "x", 1), 1);
    for (;;) ::pause();
    return 0;
  });
  char byte = 0;
  EXPECT_EQ(::read(ready[0], &byte, 1), 1);
  ::close(ready[0]);
  ::close(ready[1]);
  return child;
}

void end(pid_t process) {
  ::kill(process, SIGKILL);
  ::waitpid(process, nullptr, 0);
}

/// A lock that was refreshed `age` seconds ago.
void write_lock(const std::string& path, const LockHolder& holder, int age) {
  std::ofstream(path) << holder.text();
  const timespec now{::time(nullptr) - age, 0};
  const timespec times[2] = {now, now};
  ::utimensat(AT_FDCWD, path.c_str(), times, 0);
}

TEST(LockFile, IsGivenBack) {
  const TemporaryFolder folder;
  folder.on_root([&] {
    const std::string path = folder.file("ck.h5.lock");
    for (int i = 0; i < 2; ++i) {
      const LockFile lock(path, "checkpoint ck.h5");
      EXPECT_TRUE(std::filesystem::exists(path));
      lock.check_still_mine();
    }
    EXPECT_TRUE(std::filesystem::is_empty(folder.file("")));
  });
}

TEST(LockFile, ALivingHolderIsNamed) {
  const TemporaryFolder folder;
  folder.on_root([&] {
    const std::string path = folder.file("ck.h5.lock");
    const pid_t holder = start_holder(path);
    const std::string message = message_of([&] { const LockFile lock(path, "checkpoint ck.h5"); });
    expect_contains(message, fmt::format("checkpoint ck.h5 is in use by process {} on {}", holder, io::host_name()));
    expect_contains(message, "remove " + path);
    end(holder);
  });
}

TEST(LockFile, OfAKilledProcessIsTakenOver) {
  const TemporaryFolder folder;
  folder.on_root([&] {
    const LogText log;
    const std::string path = folder.file("ck.h5.lock");
    const pid_t holder = start_holder(path);
    ::kill(holder, SIGKILL);
    while (io::process_runs(holder)) ::usleep(1000);  // ended, but its parent has not asked yet: it counts as gone
    {
      const LockFile lock(path, "checkpoint ck.h5");
      lock.check_still_mine();
    }
    end(holder);
    expect_contains(log.text(), fmt::format("lock taken over, process {} of this host does not run any more", holder));
    EXPECT_TRUE(std::filesystem::is_empty(folder.file("")));
  });
}

TEST(LockFile, AProcessNumberThatIsUsedAgainIsNotTheHolder) {
  const TemporaryFolder folder;
  folder.on_root([&] {
    const LogText log;
    LockHolder holder = LockHolder::current();
    holder.pid = ::getppid();
    holder.start = "an earlier boot/17";
    write_lock(folder.file("lock"), holder, 5);
    const LockFile lock(folder.file("lock"), "it");
    expect_contains(log.text(), "taken over");
  });
}

TEST(LockFile, OfAnotherHost) {
  const TemporaryFolder folder;
  folder.on_root([&] {
    const LogText log;
    const std::string path = folder.file("lock");
    const LockHolder holder{"node7", 4711, "boot/17", "42", ""};
    write_lock(path, holder, 60);
    const std::string message = message_of([&] { const LockFile lock(path, "checkpoint ck.h5"); });
    expect_contains(message, "in use by process 4711 on node7, job 42");
    write_lock(path, holder, 200);
    const LockFile lock(path, "checkpoint ck.h5");
    expect_contains(log.text(), "process 4711 on node7 has given no sign of life for 20");
  });
}

TEST(LockFile, OfTheSameJobBeforeItWasRequeued) {
  const TemporaryFolder folder;
  folder.on_root([&] {
    const LogText log;
    const std::string path = folder.file("lock");
    ::setenv("SLURM_JOB_ID", "42", 1);
    ::setenv("SLURM_RESTART_COUNT", "1", 1);
    write_lock(path, {"node7", 4711, "boot/17", "42", "1"}, 5);  // the same run on another node
    expect_contains(message_of([&] { const LockFile lock(path, "it"); }), "in use by process 4711 on node7, job 42");
    write_lock(path, {"node7", 4711, "boot/17", "42", ""}, 5);
    {
      const LockFile lock(path, "it");
      expect_contains(log.text(), "job 42 was restarted");
    }
    ::unsetenv("SLURM_JOB_ID");
    ::unsetenv("SLURM_RESTART_COUNT");
  });
}

TEST(LockFile, ThatWasLostIsNoticed) {
  const TemporaryFolder folder;
  folder.on_root([&] {
    const std::string path = folder.file("lock");
    const LockHolder other{"node7", 4711, "boot/17", "42", ""};
    {
      const LockFile lock(path, "checkpoint ck.h5");
      std::filesystem::remove(path);
      expect_contains(message_of([&] { lock.check_still_mine(); }), "has lost its lock");
      write_lock(path, other, 0);
      expect_contains(message_of([&] { lock.check_still_mine(); }), "was taken over by process 4711 on node7");
    }
    EXPECT_TRUE(std::filesystem::exists(path));  // it belongs to the other one now
  });
}

TEST(LockFile, CannotBeMade) {
  const TemporaryFolder folder;
  folder.on_root([&] {
    expect_contains(message_of([&] { const LockFile lock(folder.file("missing/lock"), "it"); }),
                    "No such file or directory");
  });
}

/// What is in the place of the lock and is none is left alone, and not waited for.
TEST(LockFile, WhatIsNoLockIsRefused) {
  const TemporaryFolder folder;
  folder.on_root([&] {
    const auto refusal = [&](const std::string& name) {
      return message_of([&] { const LockFile lock(folder.file(name), "it"); });
    };
    std::ofstream(folder.file("text")) << "precious\n";
    std::ofstream(folder.file("long")) << LockHolder{"node7", 17, "", "", ""}.text() << std::string(5000, 'x');
    std::filesystem::create_directory(folder.file("folder"));
    EXPECT_EQ(::mkfifo(folder.file("fifo").c_str(), 0600), 0);
    std::filesystem::create_symlink("/dev/zero", folder.file("device"));
    std::filesystem::create_symlink("text", folder.file("link"));
    std::filesystem::create_symlink("nothing", folder.file("dangling"));
    expect_contains(refusal("text"), "text is another file, not a lock of this program");
    expect_contains(refusal("long"), "long is another file, not a lock");
    expect_contains(refusal("folder"), "folder is a folder, not a lock");
    expect_contains(refusal("fifo"), "fifo is a FIFO or a device, not a lock");
    for (const char* link : {"device", "link", "dangling"})
      expect_contains(refusal(link), "is a symbolic link, not a lock");
    EXPECT_EQ(
        std::distance(std::filesystem::directory_iterator(folder.file("")), std::filesystem::directory_iterator()), 7);
    EXPECT_EQ(std::filesystem::file_size(folder.file("text")), 9U);
  });
}

TEST(LockFile, NamesInALockDoNotReachTheTerminal) {
  const TemporaryFolder folder;
  folder.on_root([&] {
    write_lock(folder.file("lock"), {"node\x1b[2J7", 4711, "", "4\a2", ""}, 5);
    expect_contains(message_of([&] { const LockFile lock(folder.file("lock"), "it"); }),
                    "process 4711 on node\\x1b[2J7, job 4\\x072");
  });
}

TEST(LockFile, LeftEmptyIsTakenOverLater) {
  const TemporaryFolder folder;
  folder.on_root([&] {
    const LogText log;
    const auto make = [&](int age) {
      write_lock(folder.file("lock"), {}, age);
      std::ofstream(folder.file("lock"), std::ios::trunc).close();
      const timespec now{::time(nullptr) - age, 0};
      const timespec times[2] = {now, now};
      ::utimensat(AT_FDCWD, folder.file("lock").c_str(), times, 0);
    };
    make(5);
    expect_contains(message_of([&] { const LockFile lock(folder.file("lock"), "it"); }),
                    "it is in use by a job that has not yet written");
    make(200);
    const LockFile lock(folder.file("lock"), "it");
    expect_contains(log.text(), "left empty");
  });
}

/// What each of eight processes that want a lock at the same time says: it has it, or not. Those that have it keep it
/// until all have tried.
std::string takers_of(const std::string& path) {
  constexpr int count = 8;
  std::array<int, 2> said{};
  std::array<int, 2> wait{};
  EXPECT_EQ(::pipe(said.data()) + ::pipe(wait.data()), 0);
  std::vector<pid_t> processes;
  for (int i = 0; i < count; ++i)
    processes.push_back(start_process([&] {
      ::close(wait[1]);
      set_log_sink([](LogLevel, std::string_view) {});
      const auto say = [&](const char* word) { return ::write(said[1], word, 1) == 1; };
      char byte = 0;
      try {
        const LockFile lock(path, "it");
        if (!say("y") || ::read(wait[0], &byte, 1) != 0) return 2;
        lock.check_still_mine();
        return 1;
      } catch (const Error&) {
        return say("n") ? 0 : 2;
      }
    }));
  ::close(said[1]);  // or reading would wait for ever for one that died without a word
  std::string words(count, ' ');
  for (char& word : words) EXPECT_EQ(::read(said[0], &word, 1), 1);
  for (const int end : {wait[1], wait[0], said[0]}) ::close(end);  // they may go on
  int kept = 0;
  for (const pid_t process : processes) {
    int status = 0;
    ::waitpid(process, &status, 0);
    kept += WIFEXITED(status) ? WEXITSTATUS(status) : 100;
  }
  EXPECT_EQ(kept, 1) << "processes that still had the lock";
  std::ranges::sort(words);
  return words;
}

/// Eight processes find the same abandoned lock at the same time: one gets it, however long the others take.
TEST(LockFile, OneOfManyTakesOver) {
  const TemporaryFolder folder;
  folder.on_root([&] {
    LockHolder gone = LockHolder::current();
    gone.pid = 999999999;
    for (int round = 0; round < 20; ++round) {
      const std::string path = folder.file(fmt::format("lock{}", round));
      write_lock(path, gone, 5);
      EXPECT_EQ(takers_of(path), "nnnnnnny");
    }
  });
}

}  // namespace
}  // namespace scanmf
