#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "scanmf/core/types.hpp"

namespace scanmf {

// Numbers as text, independent of the locale.

/// The whole text as a decimal integer that fits; nullopt for anything else ("2.0" as well).
std::optional<Index> parse_index(std::string_view text);

/// The whole text as a floating-point number, "nan" and "inf" included; too large becomes infinite, too small 0.
std::optional<double> parse_double(std::string_view text);

/// Shortest text that gives the same number back, always recognisable as floating-point ("2.0", "1e-05", "nan").
std::string to_text(double value);

}  // namespace scanmf
