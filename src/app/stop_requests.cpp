#include "app/stop_requests.hpp"

#include <unistd.h>

#include <array>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <vector>

#include "core/number_text.hpp"

namespace scanmf::app {
namespace {

volatile std::sig_atomic_t last_signal = 0;
volatile std::sig_atomic_t interruptions = 0;

constexpr std::array handled = {SIGUSR1, SIGUSR2, SIGTERM, SIGINT, SIGXCPU};

extern "C" void remember_signal(int signal) {
  if (signal == SIGTERM || signal == SIGINT) {
    interruptions = interruptions + 1;
    if (interruptions > 1) _exit(128 + signal);
  }
  last_signal = signal;
}

std::atomic<const LockFile*> held_lock = nullptr;

extern "C" void release_lock(int signal) {
  if (const LockFile* const lock = held_lock) lock->release();
  std::raise(signal);  // ends the process when the handler returns: it was set for one signal
}

void handle_signals(void (*handler)(int), int flags) {
  for (const int signal : handled) {
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigaction(signal, &action, nullptr);
  }
}

constexpr double minute = 60;
constexpr double hour = 60 * minute;
constexpr double day = 24 * hour;

/// Non-negative whole numbers between separators.
std::optional<std::vector<double>> split_numbers(const std::string& text, char separator) {
  std::vector<double> numbers;
  std::size_t begin = 0;
  while (true) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    const auto number = parse_index(text.substr(begin, end - begin));
    if (!number || *number < 0) return std::nullopt;
    numbers.push_back(static_cast<double>(*number));
    if (end == text.size()) return numbers;
    begin = end + 1;
  }
}

/// As Slurm writes time limits.
std::optional<double> parse_clock(const std::string& text) {
  const std::size_t dash = text.find('-');
  const auto clock = split_numbers(dash == std::string::npos ? text : text.substr(dash + 1), ':');
  if (!clock || clock->size() > 3) return std::nullopt;
  const std::vector<double>& c = *clock;
  if (dash != std::string::npos) {
    const auto days = parse_index(text.substr(0, dash));
    if (!days || *days < 0) return std::nullopt;
    return static_cast<double>(*days) * day + c[0] * hour + (c.size() > 1 ? c[1] * minute : 0) +
           (c.size() > 2 ? c[2] : 0);
  }
  if (c.size() == 1) return c[0] * minute;
  if (c.size() == 2) return c[0] * minute + c[1];
  return c[0] * hour + c[1] * minute + c[2];
}

/// A number with its unit.
std::optional<double> parse_duration(const std::string& text) {
  const std::size_t unit = text.find_first_not_of("0123456789.");
  if (unit == std::string::npos || unit == 0) return std::nullopt;
  const auto number = parse_double(text.substr(0, unit));
  const std::string name = text.substr(unit);
  const double seconds = name == "s" ? 1 : name == "min" ? minute : name == "h" ? hour : name == "d" ? day : 0;
  if (!number || seconds == 0) return std::nullopt;
  return *number * seconds;
}

/// What a command prints on its first line; empty when it fails.
std::string first_line_of(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  std::array<char, 4096> line{};
  if (!pipe || std::fgets(line.data(), line.size(), pipe.get()) == nullptr) return "";
  return line.data();
}

}  // namespace

StopSignals::StopSignals() { handle_signals(remember_signal, SA_RESTART); }

StopSignals::~StopSignals() { handle_signals(SIG_DFL, 0); }

ReleaseOnSignal::ReleaseOnSignal(const LockFile& lock) {
  held_lock = &lock;
  handle_signals(release_lock, static_cast<int>(SA_RESETHAND));
}

ReleaseOnSignal::~ReleaseOnSignal() {
  handle_signals(SIG_DFL, 0);
  held_lock = nullptr;
}

std::optional<std::string> StopSignals::received() {
  if (last_signal == 0) return std::nullopt;
  return std::string("SIG") + sigabbrev_np(last_signal);
}

std::optional<double> parse_time(const std::string& text) {
  const std::optional<double> seconds = parse_duration(text).has_value() ? parse_duration(text) : parse_clock(text);
  return seconds && *seconds > 0 ? seconds : std::nullopt;
}

std::optional<double> slurm_seconds_left() {
  const char* const job = std::getenv("SLURM_JOB_ID");
  if (job == nullptr || !parse_index(job)) return std::nullopt;
  if (const char* const end = std::getenv("SLURM_JOB_END_TIME")) {
    if (const auto seconds = parse_index(end))
      return static_cast<double>(*seconds - static_cast<Index>(std::time(nullptr)));
  }
  const std::string left = first_line_of(std::string("squeue -h -o %L -j ") + job + " 2>/dev/null");
  const std::optional<double> seconds = parse_time(left.substr(0, left.find_last_not_of(" \n") + 1));
  // squeue prints minutes and seconds for less than an hour: a plain number never occurs; UNLIMITED and INVALID are no
  // number.
  return seconds;
}

}  // namespace scanmf::app
