#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/lock_file.hpp"
#include "scanmf/core/types.hpp"
#include "scanmf/ensemble/ensemble.hpp"
#include "scanmf/model/model_file.hpp"

namespace scanmf::app {

/// What a log or a checkpoint tells of a run.
struct WatchedRun {
  std::string command;
  std::optional<LockHolder> process;  // that writes the log; nullopt: it does not say
  std::string checkpoint;             // of the run, as its log says; empty: none
  std::optional<EnsembleProgress> ensemble;
  std::string note;  // how the time left of an ensemble can be known, where the file does not tell it
  Index iteration = 0;
  Index last_iteration = 0;  // at most; 0: not known
  std::string measure;       // "violation", "error", …
  std::vector<double> iterations;
  std::vector<double> values;  // of the measure, those that are known
  double seconds = 0;          // of the iterations since the run was last begun
  Index timed_iterations = 0;
  std::string end;  // how it has ended; empty: it has not, as far as the file tells
};

/// Follows the --log-json file of a run, in which lines are added while it is read. Of several runs in one file the
/// last one counts; one that went on from a checkpoint is one run.
class LogReader {
 public:
  /// Throws Error when the file is no log of this program.
  explicit LogReader(std::string file);
  /// Reads the lines that are new.
  void update();
  const WatchedRun& run() const { return run_; }
  /// Whether `file` begins as a log does. Throws Error when it cannot be read.
  static bool is_log(const std::string& file);

 private:
  std::string file_;
  Index read_ = 0;
  std::string rest_;  // of a line that is not complete
  WatchedRun run_;
  WatchedRun
      before_;  // the run in the log before this one: its iterations belong to both when this one goes on from it
};

/// The same of an ensemble's checkpoint; nullopt for other files.
std::optional<WatchedRun> watched_ensemble(const std::string& checkpoint);

/// The same of a checkpoint; `end` is set for what is a finished model.
WatchedRun watched_run(const ModelHeader& header);

/// A few lines for a terminal: state, iteration, time left, and the curve of the measure. since_change: how long ago
/// the file was last written.
std::string text_of(const WatchedRun& run, double since_change);

}  // namespace scanmf::app
