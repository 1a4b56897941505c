#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace scanmf::app {

/// A value of a description as people read it: six digits of numbers, "-" for what is not known.
std::string short_text(const nlohmann::ordered_json& value);

/// rows: objects with the same keys, which head the columns. For people: columns as wide as they must be, numbers to
/// the right.
std::string table_text(const nlohmann::ordered_json& rows);

/// The same as CSV (RFC 4180), numbers with all their digits; null is an empty field.
std::string table_csv(const nlohmann::ordered_json& rows);

}  // namespace scanmf::app
