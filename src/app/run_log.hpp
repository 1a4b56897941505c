#pragma once

#include <fstream>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "app/command_line.hpp"
#include "app/run_report.hpp"
#include "io/posix_file.hpp"
#include "scanmf/core/log.hpp"
#include "scanmf/core/timer.hpp"
#include "scanmf/data/matrix_file.hpp"
#include "scanmf/ensemble/ensemble.hpp"
#include "scanmf/estimator/estimator.hpp"
#include "scanmf/parallel/communicator.hpp"

namespace scanmf::app {

/// "12 s", "3 min 07 s", "5 h 02 min".
std::string duration_text(double seconds);

/// "iteration 7/200  violation 1.234e-02  0.5 s/iteration  at most 96 s left". last: 0 when it is not known; values
/// that are not known are NaN and left out; `left` says whether to tell the time that is left.
std::string progress_text(const Progress& now, double mean_seconds, bool left);

/// "replicate 3/40  2 more at iteration 17  about 5 min 00 s left".
std::string progress_text(const EnsembleProgress& now);

/// How every --log-json file begins.
constexpr std::string_view log_beginning = R"({"event":)";

/// What a run tells while it runs: messages and progress on stderr, events in the --log-json file. Rank 0 alone speaks;
/// while the object lives it is the sink of log(). With --quiet only warnings and errors are shown, with --verbose
/// details too.
class RunLog {
 public:
  /// Collective. Opens the --log-json file where the command has one. Throws AgreedError when that fails.
  RunLog(const Communicator& comm, const CommandLine& line);
  ~RunLog();
  RunLog(const RunLog&) = delete;
  RunLog& operator=(const RunLog&) = delete;

  /// Shows the progress: in place on a terminal, else a line every few seconds (every time with --progress on or
  /// --verbose).
  void progress(const Progress& now);
  void progress(const EnsembleProgress& now);
  /// Warnings that begin so are details from now on, none with "": whoever makes hundreds of fits says it once.
  void demote_warnings(std::string beginning) { demoted_ = std::move(beginning); }
  /// The line in place is done with.
  void end_progress();

  /// One line of the --log-json file: {"event": …, "seconds": since the start, and the rest}. NaN and infinite numbers
  /// become null.
  void event(const char* name, nlohmann::json fields);

  /// The event "start" of a command that computes on X; `more`: fields of this command.
  void start(const Communicator& comm, const CommandLine& line, const MatrixDescription& x, DataType type,
             nlohmann::json more = {});
  /// What body() returns. An error that it throws goes through, and is the last event of the --log-json file: who
  /// watches knows that nothing more comes.
  int guard(const std::function<int()>& body);

  /// The table and the summary of a run that is done, and the event "end" with `more`, run_seconds and the report.
  void end(const RunTable& table, double seconds, const std::string& summary, nlohmann::json more);

  /// Results on stdout, unless --quiet.
  void print(std::string_view text) const;

  bool shows_information() const { return root_ && !quiet_; }

 private:
  void message(LogLevel level, std::string_view text);
  bool is_to_be_shown(bool last);
  void show(const std::string& line);

  bool root_;
  bool quiet_ = false;
  bool details_ = false;
  bool shows_progress_ = false;
  bool in_place_ = false;
  bool every_time_ = false;
  std::size_t shown_width_ = 0;  // characters of the line in place
  Index iterations_ = 0;         // of this run so far
  double seconds_of_all_ = 0;    // of these
  double last_shown_ = -1e9;     // on timer_
  double seconds_left_ =         // of an ensemble, as it was last told
      std::numeric_limits<double>::quiet_NaN();
  Index logged_replicates_ = -1;  // of the last event "progress"
  std::string demoted_;           // beginning of warnings; empty: none
  Timer timer_;
  std::ofstream json_;
  std::string json_name_;
};

}  // namespace scanmf::app
