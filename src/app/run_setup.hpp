#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "app/command_line.hpp"
#include "scanmf/data/matrix_file.hpp"
#include "scanmf/estimator/parameters.hpp"
#include "scanmf/model/model_file.hpp"
#include "scanmf/parallel/communicator.hpp"

namespace scanmf::app {

/// Calls body.template operator()<T>() with the type that `type` stands for.
template <class Body>
int with_scalar(DataType type, Body&& body) {
  return type == DataType::float32 ? body.template operator()<float>() : body.template operator()<double>();
}

/// Collective. Sets the threads of this rank as --threads says.
void apply_threads(const Communicator& comm, const CommandLine& line);

/// Collective. check_files for files that are known only after the input was looked into (links to other files).
void check_output(const Communicator& comm, const std::string& target, const std::vector<std::string>& inputs);

/// random_generator as it will be used on X instead of auto, so that the model tells; logged where factors are drawn from it.
void settle_random_generator(Parameters& parameters, const Shape& shape);

/// The type to compute in: --dtype, else `preferred`.
DataType choose_dtype(const CommandLine& line, DataType preferred);

/// Collective. Where and how a result was made: version, command_line, host, ranks, threads, start, libraries; those of rank 0 on every rank.
Attributes provenance_attributes(const Communicator& comm, const std::string& command_line);
/// Collective. Adds the attribute "end": the present time.
void add_end(const Communicator& comm, Attributes& provenance);
/// The present time, "2024-05-01T12:00:00Z".
std::string utc_now();

}  // namespace scanmf::app
