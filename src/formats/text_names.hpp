#pragma once

#include "formats/text_sample.hpp"

namespace scanmf::formats {

/// Whether the first record holds the names of the columns. Throws Error where that is in doubt; the message names
/// --header.
bool first_line_names_columns(const TextSample& sample, const TextOptions& options);

/// Whether the first field of each record is a name. Throws Error where that is in doubt; the message names
/// --row-names.
bool first_field_names_rows(const TextSample& sample, const TextOptions& options, bool header);

}  // namespace scanmf::formats
