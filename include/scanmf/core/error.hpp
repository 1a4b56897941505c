#pragma once

#include <stdexcept>
#include <string>

namespace scanmf {

/// Exit statuses of the program; an Error carries the one it leads to.
enum class ExitStatus : int { done = 0, failed = 1, usage = 2, stopped = 75 };

/// What went wrong, in one line for the user: what is wrong, where (file, dataset, row, column, option) and what to do.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& message, ExitStatus status = ExitStatus::failed)
      : std::runtime_error(message), status_(status) {}
  ExitStatus status() const { return status_; }

 private:
  ExitStatus status_;
};

/// Wrong options or parameters, as far as they can be judged without data (exit status 2).
/// The message may have several lines, one a mistake.
class UsageError : public Error {
 public:
  explicit UsageError(const std::string& message) : Error(message, ExitStatus::usage) {}
};

/// An error that every rank has thrown with the same message, so that the ranks may end in the ordinary way.
/// Thrown by Communicator::agree only.
class AgreedError : public Error {
 public:
  using Error::Error;
};

}  // namespace scanmf
