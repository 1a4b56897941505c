#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "app/command_line.hpp"
#include "core/with_scalar.hpp"
#include "scanmf/data/matrix_file.hpp"
#include "scanmf/estimator/job.hpp"
#include "scanmf/parallel/communicator.hpp"

namespace scanmf::app {

/// Collective. Sets the threads of this rank as --threads says. Warns of too many, and of ranks that do not know of one
/// another.
void apply_threads(const Communicator& comm, const CommandLine& line);

/// Collective. check_files for files that are known only after the input was looked into (links to other files).
void check_output(const Communicator& comm, const std::string& target, const std::vector<std::string>& inputs);

/// Collective. What --checkpoint, --checkpoint-every, --resume and --max-time ask for.
CheckpointOptions checkpoint_options(const Communicator& comm, const CommandLine& line);

/// A line in the log: how a run is stopped without losing it. checkpoint: its file, or empty.
void tell_how_to_stop(const Communicator& comm, const std::string& checkpoint);

/// A warning when as many components are fitted as X has columns and nobody has asked for it, or for many.
void warn_of_automatic_components(const CommandLine& line, const Shape& shape);

/// What the options say of the input: --transpose, --feature-type.
InputOptions input_options(const CommandLine& line);

/// Collective. The matrix that the first input names, as these options and --exclude-features say. estimator: the class
/// in messages.
MatrixDescription describe_input(const Communicator& comm, const CommandLine& line, const char* estimator);
/// Collective. What --exclude-features says is left out.
void exclude_features(const Communicator& comm, const CommandLine& line, MatrixDescription& x);

/// Collective. The weights of the rows of x that --sample-weight names; of an equal share of the rows on each rank.
SampleWeights sample_weights(const Communicator& comm, const CommandLine& line, const MatrixDescription& x);

/// A line in the log: what X is, and the type to compute in.
void log_input(const std::string& input, const MatrixDescription& x, DataType type);

/// The type to compute in: --dtype, else `preferred`.
DataType choose_dtype(const CommandLine& line, DataType preferred);

}  // namespace scanmf::app
