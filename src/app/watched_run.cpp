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
#include "io/posix_file.hpp"
#include "scanmf/core/error.hpp"

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

/// {"event":"iteration", "seconds":…, "iteration":…, "of":…, "iteration_seconds":…, "violation":…}
void add_iteration(WatchedRun& run, const Json& event) {
  const double iteration = number_in(event, "iteration");
  if (!(iteration >= 1 && iteration < 1e15)) return;
  if (iteration <= static_cast<double>(run.iteration)) {  // another run in the same log
    WatchedRun next;
    next.command = run.command;
    run = next;
  }
  const double last = number_in(event, "of");
  if (last >= iteration && last < 1e15) run.last_iteration = static_cast<Index>(last);
  for (const auto& [key, value] : event.items()) {
    constexpr std::array known = {"event", "seconds", "iteration", "of", "iteration_seconds"};
    if (std::find(known.begin(), known.end(), key) == known.end() && (value.is_number() || value.is_null()))
      run.measure = key;
  }
  add(run, static_cast<Index>(iteration), number_in(event, "iteration_seconds"), number_in(event, run.measure.c_str()));
}

/// The curve's height in each column: the last value of the iterations that fall there.
std::vector<double> columns_of(const std::vector<double>& values) {
  const std::size_t columns = std::min(values.size(), curve_columns);
  std::vector<double> result;
  for (std::size_t c = 0; c < columns; ++c) result.push_back(values[(c + 1) * values.size() / columns - 1]);
  return result;
}

/// Stars, the largest value above; on a logarithmic axis where the values span more than a factor of ten.
std::string curve(const WatchedRun& run) {
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
         fmt::format("{:>14}{} over iterations{}\n", "", run.measure, logarithmic ? ", logarithmic" : "");
}

}  // namespace

LogReader::LogReader(std::string file) : file_(std::move(file)) {
  if (!is_log(file_)) throw Error(fmt::format("'{}' is no log of this program", file_));
}

bool LogReader::is_log(const std::string& file) {
  const io::PosixFile opened = io::PosixFile::open_for_reading(file);
  constexpr std::string_view first = R"({"event":)";
  std::string beginning(static_cast<std::size_t>(std::min<Index>(opened.size(), first.size())), '\0');
  opened.read(0, std::as_writable_bytes(std::span(beginning)));
  return beginning == first;
}

void LogReader::update() {
  const io::PosixFile file = io::PosixFile::open_for_reading(file_);
  const Index size = file.size();
  if (size < read_) *this = LogReader(file_);  // begun anew
  std::string text(static_cast<std::size_t>(size - read_), '\0');
  file.read(read_, std::as_writable_bytes(std::span(text)));
  read_ = size;
  rest_ += text;
  std::size_t begin = 0;
  for (std::size_t end = rest_.find('\n'); end != std::string::npos; end = rest_.find('\n', begin)) {
    add_line(rest_.substr(begin, end - begin));
    begin = end + 1;
  }
  rest_.erase(0, begin);
}

void LogReader::add_line(const std::string& line) {
  const Json event = Json::parse(line, nullptr, false);
  if (!event.is_object()) return;  // what a killed run has not finished
  const std::string what = text_in(event, "event");
  if (what == "start") {
    run_.command = text_in(event, "command");
    run_.end.clear();
  } else if (what == "iteration") {
    add_iteration(run_, event);
  } else if (what == "end") {
    run_.end = event.contains("converged") && event["converged"] == true ? "done: converged" : "done";
  } else if (what == "stopped") {
    run_.end = fmt::format("stopped ({}); the same command goes on", text_in(event, "reason"));
  }
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
  for (std::size_t i = 0; numbers != nullptr && seconds != nullptr && values != nullptr && i < numbers->size(); ++i)
    add(run, static_cast<Index>((*numbers)[i]), (*seconds)[i], (*values)[i]);
  run.iteration = header.n_steps.value_or(header.n_iter);
  const Index batch = std::max<Index>(1, index("batch_size"));
  run.last_iteration = index("max_iter") * (header.n_steps ? (header.n_samples + batch - 1) / batch : 1);
  return run;
}

std::string text_of(const WatchedRun& run, double since_change) {
  std::string text = run.command.empty() ? "" : printable(run.command) + "\n";
  if (run.iteration == 0) return text + (run.end.empty() ? "no iteration yet\n" : printable(run.end) + "\n");
  const double mean = run.timed_iterations > 0 ? run.seconds / static_cast<double>(run.timed_iterations) : 0;
  text += fmt::format("iteration {}", run.iteration);
  if (run.last_iteration > 0) text += fmt::format("/{}", run.last_iteration);
  if (!run.values.empty()) text += fmt::format("  {} {:.6g}", run.measure, run.values.back());
  if (mean > 0) text += fmt::format("  {:.3g} s/iteration", mean);
  if (run.end.empty() && mean > 0 && run.last_iteration > run.iteration)
    text +=
        fmt::format("  at most {} left", duration_text(mean * static_cast<double>(run.last_iteration - run.iteration)));
  text += run.end.empty() ? fmt::format("\nlast written {} ago\n", duration_text(since_change))
                          : "\n" + printable(run.end) + "\n";
  return text + curve(run);
}

}  // namespace scanmf::app
