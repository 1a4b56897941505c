#include <fmt/format.h>

#include "formats/formats.hpp"
#include "formats/input_reader.hpp"
#include "formats/utf8.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/log.hpp"

namespace scanmf::formats {
namespace {

void check_count(const std::vector<std::string>& names, Index count, const char* option, const char* lines) {
  if (!names.empty() && static_cast<Index>(names.size()) != count)
    throw Error(
        fmt::format("option '{}' names a file with {} names, but X has {} {}", option, names.size(), count, lines));
}

/// Makes names that are not UTF-8 so; true when there was one.
bool make_utf8(std::vector<std::string>& names) {
  bool changed = false;
  for (std::string& name : names) {
    if (is_utf8(name)) continue;
    name = from_windows_1252(name);
    changed = true;
  }
  return changed;
}

}  // namespace

std::vector<std::string> read_names(const std::string& file) {
  InputReader input(file);
  input.begin_text();
  std::vector<std::string> names;
  for (std::string line; input.read_line(line);) names.push_back(line);
  while (!names.empty() && names.back().empty()) names.pop_back();
  if (names.empty()) throw Error(fmt::format("'{}' holds no names", file));
  return names;
}

void write_names(data::MatrixFileWriter& out, Shape shape, const ImportOptions& options,
                 const std::vector<std::string>& row_names, const std::vector<std::string>& feature_names) {
  check_count(options.row_names, shape.rows, "--row-names-from", "rows");
  check_count(options.feature_names, shape.columns, "--feature-names-from", "columns");
  std::vector<std::string> rows = options.row_names.empty() ? row_names : options.row_names;
  std::vector<std::string> features = options.feature_names.empty() ? feature_names : options.feature_names;
  const bool rows_changed = make_utf8(rows);
  if (make_utf8(features) || rows_changed) log_warning("names that are no UTF-8 are taken for Windows-1252 (Latin-1)");
  out.names(rows, features);
}

}  // namespace scanmf::formats
