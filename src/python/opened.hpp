#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "python/calls.hpp"
#include "scanmf/estimator/job.hpp"

namespace scanmf::python {

/// X of one call, and how its rows of W come back to who has given them.
template <Scalar T>
struct Opened {
  std::unique_ptr<DataSource<T>> source;
  Index given_rows = 0;  // of this rank
  Index first_row = 0;
  std::vector<std::string> feature_names;

  /// Collective.
  Matrix<T> given(const Communicator& comm, const Matrix<T>& W) const {
    return given_from_owned(comm, W, source->partition(), given_rows);
  }
};

/// What X is, before it is read.
struct Description {
  std::optional<MatrixDescription> file;
  DataType type = DataType::float64;
};

/// Collective. estimator: class name, for messages.
Description describe(const Communicator& comm, const Input& x, const char* estimator);

/// The bytes of X that a rank may hold, from Task::memory.
MemoryLimit memory_limit(Index memory);

/// Collective. The weights that a task says, as this rank gives them.
SampleWeights weights_of(const Communicator& comm, const Input& x, const Description& description, const Task& task);

/// Collective. X, held in memory or to be streamed.
template <Scalar T>
Opened<T> open(const Communicator& comm, const Input& x, const Description& description, const Task& task,
               MatrixUse use, const SampleWeights& weights = std::nullopt);

/// What the user has started.
std::string command_line();

}  // namespace scanmf::python
