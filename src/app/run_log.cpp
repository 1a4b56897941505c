#include "app/run_log.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <span>

#include "core/printable.hpp"
#include "core/standard_streams.hpp"
#include "model/lock_file.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::app {
namespace {

constexpr double seconds_between_lines = 5;
constexpr double seconds_between_updates = 0.1;

std::string message_line(LogLevel level, std::string_view text) {
  const char* const kind = level == LogLevel::warning ? "warning: " : level == LogLevel::error ? "error: " : "";
  return fmt::format("scanmf: {}{}\n", kind, printable(text));
}

/// Throws Error unless `name` is a log of this program, which is continued, or empty, or not there. True when its last
/// line is complete.
bool check_log(const std::string& name) {
  std::error_code error;
  if (!std::filesystem::exists(name, error)) return true;
  const io::PosixFile file = io::PosixFile::open_for_reading(name);
  const Index bytes = file.size();
  if (bytes == 0) return true;
  if (!file.begins_with(log_beginning))
    throw Error(fmt::format(
        "'{}' is no log of this program and is not written into (option '--log-json'): name another file", name));
  char last = 0;
  file.read(bytes - 1, std::as_writable_bytes(std::span(&last, 1)));
  return last == '\n';
}

bool has_option(const CommandLine& line, const char* name) {
  return contains(find_option(std::string_view(name))->commands, line.command());
}

}  // namespace

std::string duration_text(double seconds) {
  constexpr double century = 3.2e9;
  if (!(seconds < century)) return "more than a century";
  const auto whole = static_cast<long long>(std::llround(seconds));
  if (seconds < 1) return "less than 1 s";
  if (whole < 100) return fmt::format("{} s", whole);
  if (whole < 6000) return fmt::format("{} min {:02d} s", whole / 60, whole % 60);
  return fmt::format("{} h {:02d} min", whole / 3600, whole % 3600 / 60);
}

std::string progress_text(const Progress& now, double mean_seconds, bool left) {
  std::string line = fmt::format("iteration {}", now.iteration);
  if (now.max_iteration > 0) line += fmt::format("/{}", now.max_iteration);
  if (!std::isnan(now.value)) line += fmt::format("  {} {:.3e}", now.measure, now.value);
  if (mean_seconds > 0) line += fmt::format("  {:.3g} s/iteration", mean_seconds);
  const Index iterations = now.max_iteration - now.iteration;
  if (left && mean_seconds > 0 && iterations > 0)
    line += fmt::format("  at most {} left", duration_text(mean_seconds * static_cast<double>(iterations)));
  return line;
}

std::string progress_text(const EnsembleProgress& now) {
  std::string line = fmt::format("replicate {}/{}", now.done, now.all);
  if (now.running > 0) line += fmt::format("  {} more at iteration {}", now.running, now.iteration);
  if (now.done < now.all && now.seconds_left >= 0)
    line += fmt::format("  about {} left", duration_text(now.seconds_left));
  return line;
}

RunLog::RunLog(const Communicator& comm, const CommandLine& line) : root_(comm.is_root()) {
  quiet_ = line.flag("quiet");
  const std::string verbose = line.text("verbose");
  details_ = verbose != "0" && verbose != "false";
  if (has_option(line, "progress")) {
    const std::string mode = line.text("progress");
    in_place_ = isatty(STDERR_FILENO) != 0;
    shows_progress_ = root_ && !quiet_ && mode != "off";
    every_time_ = mode == "on" || details_;
  }
  comm.agree([&] {
    if (!root_ || !has_option(line, "log-json") || !line.is_given("log-json")) return;
    json_name_ = line.text("log-json");
    const bool begins_line = check_log(json_name_);
    json_.open(json_name_, std::ios::app);
    if (!begins_line) json_ << '\n';  // behind a line that a killed run has not finished
    if (!json_) throw Error(fmt::format("cannot write the file '{}' (option '--log-json')", json_name_));
  });
  set_log_sink([this](LogLevel level, std::string_view text) { message(level, text); });
}

RunLog::~RunLog() {
  end_progress();
  const bool root = root_;
  set_log_sink([root](LogLevel level, std::string_view text) {
    if (root && level <= LogLevel::warning) print_message(message_line(level, text));
  });
}

void RunLog::message(LogLevel level, std::string_view text) {
  if (!root_) return;
  if (level == LogLevel::warning && !demoted_.empty() && text.starts_with(demoted_)) level = LogLevel::detail;
  if (level == LogLevel::warning) event("warning", {{"message", text}});
  if (quiet_ && level >= LogLevel::information) return;
  if (level == LogLevel::detail && !details_) return;
  end_progress();
  print_message(message_line(level, text));
}

void RunLog::progress(const Progress& now) {
  ++iterations_;
  seconds_of_all_ += now.seconds;
  event("iteration", {{"iteration", now.iteration},
                      {"of", now.max_iteration},
                      {"iteration_seconds", now.seconds},
                      {now.measure, now.value}});
  const bool last = now.iteration >= now.max_iteration;
  if (is_to_be_shown(last)) show(progress_text(now, seconds_of_all_ / static_cast<double>(iterations_), true));
}

bool RunLog::is_to_be_shown(bool last) {
  if (!shows_progress_) return false;
  const double time = timer_.seconds();
  if (time - last_shown_ < (in_place_ ? seconds_between_updates : seconds_between_lines) &&
      !(every_time_ && !in_place_) && !last)
    return false;
  last_shown_ = time;
  return true;
}

void RunLog::progress(const EnsembleProgress& now) {
  EnsembleProgress told = now;
  if (std::isnan(told.seconds_left)) told.seconds_left = seconds_left_;
  seconds_left_ = told.seconds_left;
  // Of each replicate there is an event, but those of other groups of ranks are known late.
  if (now.done != logged_replicates_)
    event("progress", {{"replicates_done", now.done}, {"of", now.all}, {"seconds_left", told.seconds_left}});
  logged_replicates_ = now.done;
  if (is_to_be_shown(now.done == now.all)) show(progress_text(told));
}

void RunLog::show(const std::string& line) {
  if (!in_place_) {
    print_message(fmt::format("scanmf: {}\n", line));
    return;
  }
  print_message(fmt::format("\r{:<{}}", line, shown_width_));
  shown_width_ = line.size();
}

void RunLog::end_progress() {
  if (shown_width_ == 0) return;
  print_message("\n");
  shown_width_ = 0;
}

void RunLog::event(const char* name, nlohmann::json fields) {
  if (!json_.is_open()) return;
  nlohmann::ordered_json line = {{"event", name}, {"seconds", timer_.seconds()}};
  for (const auto& [key, value] : fields.items()) line[key] = value;
  json_ << line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) << '\n'
        << std::flush;  // names may be no UTF-8
  if (json_) return;
  json_.close();
  log_warning(fmt::format("writing '{}' failed, it is not continued", json_name_));
}

void RunLog::start(const Communicator& comm, const CommandLine& line, const MatrixDescription& x, DataType type,
                   nlohmann::json more) {
  more.update({{"command", line.written()},
               {"rows", x.shape.rows},
               {"columns", x.shape.columns},
               {"dtype", name_of(type)},
               {"ranks", comm.size()}});
  // Whoever watches can tell a run that is slow from one that is gone.
  const LockHolder process = LockHolder::current();
  more["process"] = {{"host", process.host}, {"pid", process.pid}, {"start", process.start}};
  if (has_option(line, "checkpoint") && line.is_given("checkpoint"))
    more["checkpoint"] = std::filesystem::absolute(line.text("checkpoint")).string();
  event("start", std::move(more));
}

int RunLog::guard(const std::function<int()>& body) {
  try {
    return body();
  } catch (const std::exception& error) {
    end_progress();
    event("error", {{"message", error.what()}});
    throw;
  }
}

void RunLog::end(const RunTable& table, double seconds, const std::string& summary, nlohmann::json more) {
  print(table.text);
  print(summary);
  more.update({{"run_seconds", seconds}, {"report", table.json}});
  event("end", std::move(more));
}

void RunLog::print(std::string_view text) const {
  if (!shows_information()) return;
  try {
    print_result(text);
  } catch (const Error& error) {  // the files are written: a lost summary is no failure
    log_warning(error.what());
  }
}

}  // namespace scanmf::app
