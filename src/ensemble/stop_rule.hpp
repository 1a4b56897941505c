#pragma once

#include <string>

#include "scanmf/ensemble/ensemble.hpp"

namespace scanmf {

/// When an ensemble is to stop before its end: a signal, the time limit, the file STOP beside the checkpoint.
class EnsembleStop {
 public:
  static constexpr const char* time_is_up = "the time limit is near";

  /// comm: of the ranks that stop together. The control must outlive it.
  EnsembleStop(const Communicator& comm, const EnsembleControl& control, std::string checkpoint_file);

  /// Local; on root also the clock and the file are asked.
  bool is_asked();
  /// Local. An iteration of so many seconds is done: the next one takes about as long.
  void iteration_done(double seconds);
  /// Collective. Why, on every rank; empty: nobody has asked.
  std::string reason() const;
  /// Local. A stop file that has done its work is removed: a next run is to go on.
  void remove_file() const;

 private:
  const Communicator& comm_;
  const EnsembleControl& control_;
  std::string stop_file_;  // empty without a checkpoint
  double iteration_seconds_ = 0;
  std::string reason_;
};

}  // namespace scanmf
