#pragma once

#include <optional>
#include <string>

#include "model/lock_file.hpp"
#include "scanmf/core/timer.hpp"
#include "scanmf/core/types.hpp"

namespace scanmf::app {

/// From construction on, USR1, USR2, TERM, INT and XCPU no longer end this process but are remembered; a second INT or
/// TERM ends it at once. One object a process.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  /// The name of the signal that came, if one did.
  static std::optional<std::string> received();
};

/// While it lives, the same signals give a lock back before they end this process. Not beside StopSignals; one object a
/// process.
class ReleaseOnSignal {
 public:
  explicit ReleaseOnSignal(const LockFile& lock);
  ~ReleaseOnSignal();
  ReleaseOnSignal(const ReleaseOnSignal&) = delete;
  ReleaseOnSignal& operator=(const ReleaseOnSignal&) = delete;
};

/// "90", "MM:SS", "HH:MM:SS", "D-HH", "D-HH:MM", "D-HH:MM:SS" as Slurm writes time limits (a plain number: minutes), or
/// "30s", "15min", "2h", "1d"; in seconds, more than 0; nullopt for other text.
std::optional<double> parse_time(const std::string& text);

/// Seconds that Slurm still gives this job, from its environment or, where that does not say, from squeue; nullopt
/// without a job or a limit.
std::optional<double> slurm_seconds_left();

}  // namespace scanmf::app
