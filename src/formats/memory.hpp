#pragma once

#include <optional>
#include <string>

#include "formats/formats.hpp"

namespace scanmf::formats {

/// Throws Error, with the numbers, unless so many bytes of `source` may be held at once (options.most_held), and this
/// machine and this process's limit have them; nullopt: more than can be counted.
void require_memory(std::optional<Index> bytes, const std::string& source, const ImportOptions& options);

}  // namespace scanmf::formats
