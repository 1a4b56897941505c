#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "scanmf/parallel/communicator.hpp"

namespace scanmf::app {

/// Names that a description shows of all that a file has.
constexpr std::size_t shown_names = 5;

/// Collective. What `scanmf inspect --json` prints of a data file, a model or factors; never reads X or W.
nlohmann::ordered_json describe_file(const Communicator& comm, const std::string& input);

}  // namespace scanmf::app
