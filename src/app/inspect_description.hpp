#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "scanmf/data/matrix_file.hpp"
#include "scanmf/parallel/communicator.hpp"

namespace scanmf::app {

/// Names that a description shows of all that a file has.
constexpr std::size_t shown_names = 5;

/// Collective. What `scanmf inspect --json` prints of a data file, a model or factors; never reads X or W (but a look
/// at the first elements). Of a data file: X, and a list of all its matrices; where it does not say which one is X, the
/// list alone.
nlohmann::ordered_json describe_file(const Communicator& comm, const std::string& input,
                                     const InputOptions& options = {});

}  // namespace scanmf::app
