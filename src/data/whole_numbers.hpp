#pragma once

#include <optional>

#include "scanmf/data/matrix_file.hpp"

namespace scanmf::data {

/// Local. begins_with_whole_numbers of matrix_file.hpp.
std::optional<bool> begins_with_whole_numbers(const MatrixDescription& description);

}  // namespace scanmf::data
