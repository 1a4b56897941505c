#pragma once

#include <optional>
#include <string>

#include "scanmf/core/types.hpp"

namespace scanmf::formats {

/// Throws Error unless this machine, and this process's limit, can hold so many bytes for a matrix of `source`;
/// nullopt: more than can be counted.
void require_memory(std::optional<Index> bytes, const std::string& source);

}  // namespace scanmf::formats
