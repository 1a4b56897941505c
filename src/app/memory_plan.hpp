#pragma once

#include <optional>
#include <string>

#include "app/command_line.hpp"
#include "scanmf/data/matrix_file.hpp"

namespace scanmf::app {

/// "4G", "500M", "1.5GiB", "1000000": bytes (powers of 1024). nullopt for other text.
std::optional<Index> parse_size(const std::string& text);

/// The value of --memory in bytes; nullopt: none. Throws UsageError.
std::optional<Index> parse_memory(const std::string& text, Index automatic);

/// Whether a rank holds its rows of W.
enum class RowsOfW {
  kept,        // fit
  kept_with_X  // transform: as long as X is held too; when X is streamed, rows of W are written as they arise
};

/// Collective. The most bytes of X that a rank holds, as --memory says; nullopt: no limit. Throws AgreedError with the numbers when the factors and
/// statistics of n_components cannot fit beside it.
std::optional<Index> plan_memory(const Communicator& comm, const CommandLine& line, const MatrixDescription& description, Index n_components,
                                 DataType type, RowsOfW rows_of_W = RowsOfW::kept);

}  // namespace scanmf::app
