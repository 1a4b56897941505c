#pragma once

#include <optional>
#include <string>

#include "model/lock_file.hpp"

namespace scanmf::app {

/// From here on until StopSignals is made, USR1, USR2 and XCPU wait: a run may be asked to stop while it still starts.
/// Before any thread is.
void hold_stop_signals();

/// Where a run keeps its state: from construction on, USR1, USR2, TERM, INT and XCPU no longer end this process but are
/// remembered; a second INT or TERM ends it at once. Elsewhere they do what they usually do, those that waited too. One
/// object a process.
class StopSignals {
 public:
  explicit StopSignals(bool keeps_state);
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

}  // namespace scanmf::app
