#pragma once

#include <optional>
#include <string>

#include "app/command_line.hpp"
#include "scanmf/data/matrix_file.hpp"

namespace scanmf::app {

/// "4G", "500M", "1.5GiB", "1000000": bytes (powers of 1024). nullopt for other text.
std::optional<Index> parse_size(const std::string& text);

/// Collective. The most bytes of X that a rank holds, as --memory says; nullopt: no limit. Throws AgreedError with the numbers when the factors and
/// statistics of n_components cannot fit beside it.
std::optional<Index> plan_memory(const Communicator& comm, const CommandLine& line, const MatrixDescription& description, Index n_components,
                                 DataType type);

}  // namespace scanmf::app
