#include "app/time_limit.hpp"

#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <vector>

#include "core/number_text.hpp"
#include "scanmf/core/log.hpp"

namespace scanmf::app {
namespace {

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

bool is_checkpoint_interval(const std::string& text) {
  const std::optional<Index> iterations = parse_index(text);
  return iterations ? *iterations >= 1 : parse_time(text).has_value();
}

bool is_time_limit(const std::string& text) { return text == "auto" || text == "none" || parse_time(text); }

CheckpointOptions checkpoint_options(const Communicator& comm, const CheckpointTexts& texts) {
  CheckpointOptions options;
  options.file = texts.file;
  if (options.file.empty()) return options;
  options.every_iterations = parse_index(texts.every);
  if (!options.every_iterations) options.every_seconds = parse_time(texts.every).value();
  options.resume = texts.resume == "never"     ? Resume::never
                   : texts.resume == "require" ? Resume::require
                                               : Resume::automatic;
  options.seconds_left = time_limit(comm, texts.max_time);
  return options;
}

}  // namespace scanmf::app
