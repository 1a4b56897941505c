#include "app/watched_run.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <span>
#include <string_view>

#include "app/run_log.hpp"
#include "core/printable.hpp"
#include "ensemble/replicate_store.hpp"
#include "io/posix_file.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/model/checkpoint.hpp"

namespace scanmf::app {
namespace {

using Json = nlohmann::json;

constexpr std::size_t curve_lines = 10;
constexpr std::size_t curve_columns = 64;
constexpr double not_known = std::numeric_limits<double>::quiet_NaN();

double number_in(const Json& event, const char* name) {
  const auto found = event.find(name);
  return found != event.end() && found->is_number() ? found->get<double>() : not_known;
}

std::string text_in(const Json& event, const char* name) {
  const auto found = event.find(name);
  return found != event.end() && found->is_string() ? found->get<std::string>() : "";
}

/// A whole number from 1 on; 0 for anything else.
Index index_in(const Json& event, const char* name) {
  const double number = number_in(event, name);
  return number >= 1 && number < 1e15 ? static_cast<Index>(number) : 0;
}

void add(WatchedRun& run, Index iteration, double seconds, double value) {
  run.iteration = iteration;
  if (seconds >= 0) {
    run.seconds += seconds;
    ++run.timed_iterations;
  }
  if (!std::isfinite(value)) return;
  run.iterations.push_back(static_cast<double>(iteration));
  run.values.push_back(value);
}

/// {"event":"start", "command":…, "process":{"host":…, "pid":…, "start":…}, "checkpoint":…}
WatchedRun begun_run(const Json& event) {
  WatchedRun run;
  run.command = text_in(event, "command");
  run.checkpoint = text_in(event, "checkpoint");
  if (const auto process = event.find("process"); process != event.end() && process->is_object())
    run.process = LockHolder{text_in(*process, "host"), index_in(*process, "pid"), text_in(*process, "start"), "", ""};
  const auto ks = event.find("k");
  if (const Index replicates = index_in(event, "replicates"); replicates > 0 && ks != event.end() && ks->is_array())
    run.ensemble =
        EnsembleProgress{index_in(event, "replicates_done"), replicates * static_cast<Index>(ks->size()), 0, 0};
  return run;
}

/// A run whose first iteration is not the first one goes on from a checkpoint: what the log has of the same command
/// before belongs to it.
void go_on(WatchedRun& run, const WatchedRun& before, double iteration) {
  if (before.command != run.command) return;
  const auto kept = std::ranges::lower_bound(before.iterations, iteration) - before.iterations.begin();
  run.measure = before.measure;
  run.iterations.assign(before.iterations.begin(), before.iterations.begin() + kept);
  run.values.assign(before.values.begin(), before.values.begin() + kept);
}

/// {"event":"iteration", "seconds":…, "iteration":…, "of":…, "iteration_seconds":…, "violation":…}
void add_iteration(WatchedRun& run, const WatchedRun& before, const Json& event) {
  const Index iteration = index_in(event, "iteration");
  if (iteration < 1) return;
  if (iteration <= run.iteration) {  // a run whose start the log does not have
    const WatchedRun ended = run;
    run = {};
    run.command = ended.command;
    run.process = ended.process;
    run.checkpoint = ended.checkpoint;
  } else if (run.iteration == 0 && iteration > 1) {
    go_on(run, before, static_cast<double>(iteration));
  }
  if (const Index last = index_in(event, "of"); last >= iteration) run.last_iteration = last;
  for (const auto& [key, value] : event.items()) {
    constexpr std::array known = {"event", "seconds", "iteration", "of", "iteration_seconds"};
    if (std::find(known.begin(), known.end(), key) == known.end() && (value.is_number() || value.is_null()))
      run.measure = key;
  }
  add(run, iteration, number_in(event, "iteration_seconds"), number_in(event, run.measure.c_str()));
}

/// One event of a log; unknown ones are left out.
void add_event(WatchedRun& run, WatchedRun& before, const Json& event) {
  const std::string what = text_in(event, "event");
  if (what == "start") {
    WatchedRun next = begun_run(event);
    // One that never came to an iteration has nothing to go on from but what was there before it.
    if (run.iteration > 0 || run.command != next.command) before = std::move(run);
    run = std::move(next);
  } else if (what == "iteration") {
    add_iteration(run, before, event);
  } else if (what == "progress" && run.ensemble) {
    run.ensemble->done = index_in(event, "replicates_done");
    run.ensemble->seconds_left = number_in(event, "seconds_left");
  } else if (what == "end") {
    run.end = event.contains("converged") && event["converged"] == true ? "done: converged" : "done";
  } else if (what == "stopped") {
    run.end = fmt::format("stopped ({}); the same command goes on", text_in(event, "reason"));
  } else if (what == "error") {
    if (!run.end.empty()) {  // of a later command, that failed before it began
      before = std::move(run);
      run = {};
    }
    run.end = fmt::format("failed: {}", text_in(event, "message"));
  }
}

/// The curve's height in each column: the last value of the iterations that fall there.
std::vector<double> columns_of(const std::vector<double>& values) {
  const std::size_t columns = std::min(values.size(), curve_columns);
  std::vector<double> result;
  for (std::size_t c = 0; c < columns; ++c) result.push_back(values[(c + 1) * values.size() / columns - 1]);
  return result;
}

/// Stars, the largest value above; on a logarithmic axis where the values span more than a factor of ten.
std::string curve(const WatchedRun& run, const std::string& measure) {
  std::vector<double> heights = columns_of(run.values);
  if (heights.size() < 2) return "";
  const auto [least, most] = std::minmax_element(heights.begin(), heights.end());
  const double bottom = *least;
  const double top = *most;
  const bool logarithmic = bottom > 0 && top > 10 * bottom;
  const auto scaled = [logarithmic](double value) { return logarithmic ? std::log(value) : value; };
  const double range = scaled(top) - scaled(bottom);
  std::string text;
  for (std::size_t line = 0; line < curve_lines; ++line) {
    const std::string label = line == 0                 ? fmt::format("{:.4g}", top)
                              : line == curve_lines - 1 ? fmt::format("{:.4g}", bottom)
                                                        : "";
    std::string stars;
    for (const double height : heights) {
      const double share = range > 0 ? (scaled(height) - scaled(bottom)) / range : 0;
      const auto place = static_cast<std::size_t>(std::lround((1 - share) * static_cast<double>(curve_lines - 1)));
      stars += place == line ? '*' : ' ';
    }
    text += fmt::format("{:>12} |{}\n", label, stars);
  }
  return text +
         fmt::format("{:>12} +{}\n{:>14}{:<{}}{}\n", "", std::string(heights.size(), '-'), "",
                     static_cast<Index>(run.iterations.front()), heights.size() > 8 ? heights.size() - 4 : 4,
                     static_cast<Index>(run.iterations.back())) +
         fmt::format("{:>14}{} over iterations{}\n", "", measure, logarithmic ? ", logarithmic" : "");
}

}  // namespace

LogReader::LogReader(std::string file) : file_(std::move(file)) {
  if (!is_log(file_)) throw Error(fmt::format("'{}' is no log of this program", file_));
}

bool LogReader::is_log(const std::string& file) {
  return io::PosixFile::open_for_reading(file).begins_with(log_beginning);
}

void LogReader::update() {
  constexpr Index most = Index{1} << 24;  // at a time
  const io::PosixFile file = io::PosixFile::open_for_reading(file_);
  const Index size = file.size();
  if (size < read_) *this = LogReader(file_);  // begun anew
  while (read_ < size) {
    std::string text(static_cast<std::size_t>(std::min(size - read_, most)), '\0');
    file.read(read_, std::as_writable_bytes(std::span(text)));
    read_ += static_cast<Index>(text.size());
    rest_ += text;
    std::size_t begin = 0;
    for (std::size_t end = rest_.find('\n'); end != std::string::npos; end = rest_.find('\n', begin)) {
      const Json event = Json::parse(rest_.substr(begin, end - begin), nullptr, false);
      if (event.is_object()) add_event(run_, before_, event);  // else: what a killed run has not finished
      begin = end + 1;
    }
    rest_.erase(0, begin);
  }
}

std::optional<WatchedRun> watched_ensemble(const std::string& checkpoint) {
  const std::optional<StoreContents> contents = look_at_store(checkpoint);
  if (!contents) return std::nullopt;
  WatchedRun run;
  run.ensemble = EnsembleProgress{contents->all_done(), contents->layout.count(), 0, 0};
  run.note = "how much time is left its --log-json file tells, or --follow when a replicate has come to an end";
  return run;
}

WatchedRun watched_run(const ModelHeader& header) {
  WatchedRun run;
  const auto attribute = [](const Attributes& all, const char* name) -> const Attribute* {
    const auto found = std::find_if(all.begin(), all.end(), [name](const auto& entry) { return entry.first == name; });
    return found == all.end() ? nullptr : &found->second;
  };
  const auto index = [&](const char* name) -> Index {
    const Attribute* const found = attribute(header.params, name);
    const Index* const value = found == nullptr ? nullptr : std::get_if<Index>(found);
    return value == nullptr ? 0 : *value;
  };
  if (const Attribute* const command = attribute(header.provenance, "command_line"))
    if (const auto* text = std::get_if<std::string>(command)) run.command = *text;
  const std::vector<double>* seconds = nullptr;
  const std::vector<double>* numbers = nullptr;
  const std::vector<double>* values = nullptr;
  for (const auto& [name, column] : header.history) {
    if (name == "iteration") numbers = &column;
    if (name == "seconds") seconds = &column;
    if (name == "violation" || name == "error" || name == "cost") {
      run.measure = name;
      values = &column;
    }
  }
  // As the log and --tol have it: over that of the first iteration.
  const Attribute* const stored = attribute(header.state, "first");
  const double* const first = stored == nullptr ? nullptr : std::get_if<double>(stored);
  const double unit = run.measure != "cost" && first != nullptr && *first > 0 ? *first : 1;
  for (std::size_t i = 0; numbers != nullptr && seconds != nullptr && values != nullptr && i < numbers->size(); ++i)
    add(run, static_cast<Index>((*numbers)[i]), (*seconds)[i], (*values)[i] / unit);
  run.iteration = header.n_steps.value_or(header.n_iter);
  const Index batch = std::max<Index>(1, index("batch_size"));
  const double passes = static_cast<double>(index("max_iter"));
  const double steps =
      header.n_steps ? std::ceil(static_cast<double>(header.n_samples) / static_cast<double>(batch)) : 1;
  if (passes * steps < 1e15) run.last_iteration = static_cast<Index>(passes * steps);
  if (!is_checkpoint(header)) run.end = header.converged ? "done: converged" : "done";
  return run;
}

std::string text_of(const WatchedRun& run, double since_change) {
  const std::string end = run.end.empty() ? fmt::format("last written {} ago", duration_text(since_change)) : run.end;
  std::string text = run.command.empty() ? "" : printable(run.command) + "\n";
  if (run.ensemble) {
    EnsembleProgress now = *run.ensemble;
    if (!run.end.empty()) now.seconds_left = not_known;
    const bool is_noted = run.end.empty() && now.done < now.all && std::isnan(now.seconds_left) && !run.note.empty();
    return text + progress_text(now) + "\n" + printable(end) + "\n" + (is_noted ? run.note + "\n" : "");
  }
  if (run.iteration == 0) return text + (run.end.empty() ? "no iteration yet, " : "") + printable(end) + "\n";
  const std::string measure = printable(run.measure);
  const double mean = run.timed_iterations > 0 ? run.seconds / static_cast<double>(run.timed_iterations) : 0;
  Progress now;
  now.iteration = run.iteration;
  now.max_iteration = run.last_iteration;
  now.measure = measure.c_str();
  now.value = run.values.empty() ? not_known : run.values.back();
  return text + progress_text(now, mean, run.end.empty()) + "\n" + printable(end) + "\n" + curve(run, measure);
}

}  // namespace scanmf::app
