#pragma once

#include <string>

namespace scanmf {

/// What this process is reading, for the last line of a crash: libraries that read files do not survive every damaged
/// one, and nothing mends them, but the user learns which file and object it was. Lives as long as the reading; the
/// innermost one of the process counts. Not to be used by several threads at once without a lock (HDF5 has one).
class CrashNote {
 public:
  /// Readings of data take what they take; one of an attribute that needs more than ten seconds of the processor goes
  /// round in circles and is ended as a crash is. Waiting for a slow disk does not count.
  enum class Of { data, attribute };

  /// place: "FILE:/path".
  explicit CrashNote(std::string place, Of what = Of::data);
  ~CrashNote();
  CrashNote(const CrashNote&) = delete;
  CrashNote& operator=(const CrashNote&) = delete;

  /// To be called once, first of all: prints the note when the process crashes while there is one, then lets the signal
  /// take its course. Without it nothing is limited. Signals that somebody else handles already (a sanitizer) are left
  /// alone.
  static void print_when_crashing();

  const std::string& line() const { return line_; }

 private:
  std::string line_;
  const CrashNote* outer_;
  bool limited_;
};

}  // namespace scanmf
