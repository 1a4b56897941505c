#include "app/inspect_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "core/printable.hpp"

namespace scanmf::app {
namespace {

using Json = nlohmann::ordered_json;

std::string dumped(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string csv_field(const Json& value) {
  if (value.is_null()) return "";
  if (!value.is_string()) return dumped(value);
  const std::string text = value.get<std::string>();
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted.append(c == '"' ? 2 : 1, c);
  quoted.push_back('"');
  return quoted;
}

}  // namespace

std::string short_text(const Json& value) {
  if (value.is_null()) return "-";
  if (value.is_string()) return printable(value.get<std::string>());
  if (value.is_number_float()) return fmt::format("{:.6g}", value.get<double>());
  return dumped(value);
}

std::string table_text(const Json& rows) {
  std::vector<std::size_t> widths;
  for (const auto& [name, first] : rows.front().items()) {
    std::size_t width = name.size();
    for (const Json& row : rows) width = std::max(width, short_text(row[name]).size());
    widths.push_back(width);
  }
  std::string text;
  const auto add = [&](std::size_t column, const std::string& field, bool to_the_left) {
    const std::size_t width = widths[column];
    if (column > 0) text += "  ";
    text += to_the_left ? fmt::format("{:<{}}", field, width) : fmt::format("{:>{}}", field, width);
    if (column + 1 == widths.size()) text += "\n";
  };
  std::size_t column = 0;
  for (const auto& [name, first] : rows.front().items()) add(column++, name, first.is_string());
  for (const Json& row : rows) {
    column = 0;
    for (const auto& [name, value] : row.items()) add(column++, short_text(value), value.is_string());
  }
  return text;
}

std::string table_csv(const Json& rows) {
  std::string text;
  const auto add_line = [&](const Json& row, auto&& field) {
    const char* separator = "";
    for (const auto& [name, value] : row.items()) {
      text += separator;
      text += field(name, value);
      separator = ",";
    }
    text += "\n";
  };
  add_line(rows.front(), [](const std::string& name, const Json&) { return name; });
  for (const Json& row : rows) add_line(row, [](const std::string&, const Json& value) { return csv_field(value); });
  return text;
}

}  // namespace scanmf::app
