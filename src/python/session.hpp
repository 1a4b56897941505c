#pragma once

#include <pybind11/pybind11.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "scanmf/core/error.hpp"
#include "scanmf/estimator/estimator.hpp"
#include "scanmf/linalg/threads.hpp"
#include "scanmf/parallel/communicator.hpp"
#include "scanmf/parallel/embedding.hpp"
#include "scanmf/parallel/environment.hpp"

namespace scanmf::python {

/// What one call from Python computes in: a communicator of its own, threads, the log, progress and interrupts. One at
/// a time in a process.
class Session {
 public:
  /// Collective over the communicator. comm: an mpi4py communicator, or None for this process alone, which initialises
  /// MPI when nobody has. threads: 0 = automatic.
  Session(const pybind11::object& comm, int threads);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  const Communicator& comm() const { return *comm_; }
  int threads() const { return thread_count(); }

  /// Collective. Throws on every rank when some rank says what went wrong there.
  void agree(const std::string& mistake) const;
  /// Collective. What every rank says, by rank.
  std::vector<pybind11::bytes> allgather(const std::string& own) const;

  /// Progress goes to `progress` (or None), which is called with the interpreter's lock; what it throws, and Ctrl-C,
  /// asks the run to stop.
  RunControl control(const pybind11::object& progress);
  /// Collective. Throws, on every rank when anything asked some rank to stop: what that was, or KeyboardInterrupt where
  /// it was on another rank.
  void throw_if_interrupted();

  /// Gives back communicator and threads; returns (level, text) of the messages that the log has had on rank 0.
  std::vector<std::pair<std::string, std::string>> close();

 private:
  std::unique_ptr<Communicator> comm_;
  std::optional<ThreadScope> threads_;
  std::mutex mutex_;  // of messages_
  std::vector<std::pair<std::string, std::string>> messages_;
  std::optional<pybind11::error_already_set> reason_;  // to stop
};

}  // namespace scanmf::python
