#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "app/import.hpp"
#include "app/input_reader.hpp"
#include "core/number_text.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::app {
namespace {

/// How the table is written; found out from its first two lines.
struct TextLayout {
  char separator = ' ';       // ' ': any blanks
  bool column_names = false;  // the first line names the columns
  bool row_names = false;     // the first field of each line names the row
  Index columns = 0;          // of numbers
};

std::string_view trimmed(std::string_view field) {
  const std::size_t begin = field.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return field.substr(begin, field.find_last_not_of(" \t") - begin + 1);
}

/// Fields of a line; double quotes may enclose a field with separators in it.
void split(const std::string& line, char separator, std::vector<std::string>& fields) {
  fields.clear();
  std::string field;
  bool quoted = false;
  bool any = false;  // the field has begun
  const auto end_field = [&] {
    fields.emplace_back(trimmed(field));
    field.clear();
    any = false;
  };
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    const bool separates = !quoted && (separator == ' ' ? c == ' ' || c == '\t' : c == separator);
    if (c == '"') {
      if (quoted && i + 1 < line.size() && line[i + 1] == '"')
        field += line[++i];
      else
        quoted = !quoted;
      any = true;
    } else if (!separates) {
      field += c;
      any = true;
    } else if (separator != ' ' || any) {
      end_field();
    }
  }
  if (separator != ' ' || any) end_field();
}

char separator_of(const std::string& line) {
  for (const char candidate : {'\t', ',', ';'}) {
    if (line.find(candidate) != std::string::npos) return candidate;
  }
  return ' ';
}

bool is_blank(const std::string& line) { return line.find_first_not_of(" \t") == std::string::npos; }

bool is_number(const std::string& field) { return parse_double(field).has_value(); }

bool next_line(InputReader& file, std::string& line) {
  while (file.read_line(line)) {
    if (!is_blank(line)) return true;
  }
  return false;
}

TextLayout find_layout(InputReader& file, std::vector<std::string>& names) {
  std::string line;
  if (!next_line(file, line)) throw Error(fmt::format("'{}' is empty. Found array with 0 sample(s)", file.name()));
  TextLayout layout;
  layout.separator = separator_of(line);
  std::vector<std::string> first;
  split(line, layout.separator, first);
  std::vector<std::string> second;
  const bool has_second = next_line(file, line);
  if (has_second) split(line, layout.separator, second);
  // Words among the first line's fields, the first one apart, are names of columns; so is a first line that is one field short.
  layout.column_names = (first.size() > 1 ? !std::all_of(first.begin() + 1, first.end(), is_number) : !is_number(first.front())) ||
                        (has_second && first.size() + 1 == second.size());
  const std::vector<std::string>& data = layout.column_names ? second : first;
  if (data.empty()) throw Error(fmt::format("'{}' holds a line of names only. Found array with 0 sample(s)", file.name()));
  layout.row_names =
      data.size() > 1 && (!is_number(data.front()) || (layout.column_names && (first.size() + 1 == data.size() || first.front().empty())));
  layout.columns = static_cast<Index>(data.size()) - (layout.row_names ? 1 : 0);
  if (layout.column_names) {
    names = first;
    if (layout.row_names && first.size() == data.size()) names.erase(names.begin());
    if (static_cast<Index>(names.size()) != layout.columns) {
      throw Error(
          fmt::format("'{}' names {} columns in its first line, but the next line has {} numbers", file.name(), names.size(), layout.columns));
    }
  }
  file.seek(0);
  return layout;
}

/// Numbers of one line into `row`; the name of the row, if there is one, into `name`.
void parse_line(const InputReader& file, const TextLayout& layout, const std::vector<std::string>& fields, double* row, std::string& name) {
  const Index first = layout.row_names ? 1 : 0;
  const Index found = static_cast<Index>(fields.size()) - first;
  if (found != layout.columns)
    throw Error(fmt::format("'{}' line {}: {} numbers where {} are expected", file.name(), file.line_number(), found, layout.columns));
  if (layout.row_names) name = fields.front();
  for (Index j = 0; j < layout.columns; ++j) {
    const std::string& field = fields[static_cast<std::size_t>(j + first)];
    const auto value = parse_double(field);
    if (!value) throw Error(fmt::format("'{}' line {} column {}: '{}' is not a number", file.name(), file.line_number(), j + first + 1, field));
    row[j] = *value;
  }
}

Index count_rows(InputReader& file, const TextLayout& layout) {
  std::string line;
  Index lines = 0;
  while (next_line(file, line)) ++lines;
  file.seek(0);
  return lines - (layout.column_names ? 1 : 0);
}

}  // namespace

Imported import_text(const std::string& name, data::MatrixFileWriter& out, std::optional<DataType> dtype) {
  InputReader file(name);
  std::vector<std::string> column_names;
  const TextLayout layout = find_layout(file, column_names);
  const Shape shape{count_rows(file, layout), layout.columns};
  DenseSink sink(out, shape, hdf5::NumberType::float64, dtype);
  std::vector<std::string> row_names;
  std::vector<std::string> fields;
  std::vector<double> piece(static_cast<std::size_t>(sink.piece_rows() * shape.columns));
  std::string line;
  if (layout.column_names) next_line(file, line);
  for (Index begin = 0; begin < shape.rows; begin += sink.piece_rows()) {
    const Index rows = std::min(sink.piece_rows(), shape.rows - begin);
    for (Index i = 0; i < rows; ++i) {
      next_line(file, line);
      split(line, layout.separator, fields);
      std::string row_name;
      parse_line(file, layout, fields, piece.data() + i * shape.columns, row_name);
      if (layout.row_names) row_names.push_back(row_name);
    }
    sink.append(rows, piece.data());
  }
  out.names(row_names, column_names);
  return {shape, std::nullopt};
}

}  // namespace scanmf::app
