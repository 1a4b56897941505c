#include "formats/text_layout.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/printable.hpp"
#include "formats/text_names.hpp"
#include "formats/text_sample.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::formats {
namespace {

/// Whether the fields above the numbers are names, in a comment directly above them: "# a b c".
bool comment_names_columns(const TextSample& sample, std::size_t columns, Record& names) {
  if (sample.last_comment.empty()) return false;
  const std::string_view body = std::string_view(sample.last_comment).substr(1);
  if (!names.split(body, sample.delimiter)) return false;
  if (names.size() != columns) return false;
  for (std::size_t j = 0; j < names.size(); ++j)
    if (sample.look(names[j]) != Look::word) return false;
  return true;
}

std::vector<std::string> names_from(const Record& record, std::size_t begin) {
  std::vector<std::string> names;
  for (std::size_t j = begin; j < record.size(); ++j) names.push_back(record[j].text);
  return names;
}

std::string description_of(const TextLayout& layout, const TextSample& sample, const char* names_place) {
  std::string text = fmt::format("delimiter {}, decimal mark '{}', ", delimiter_name(layout.delimiter), layout.decimal);
  text += layout.column_names.empty()
              ? "no names of columns"
              : fmt::format("names of columns {} (\"{}\", ...)", names_place, printable(layout.column_names.front()));
  const Record& row = sample.second();
  text += layout.row_names ? fmt::format(", names of rows in the first field (\"{}\", ...)", printable(row[0].text))
                           : ", no names of rows";
  if (sample.comments > 0) text += fmt::format(", {} comment line(s) left out", sample.comments);
  if (layout.trailing_delimiter) text += ", a delimiter at the end of each line";
  return text;
}

}  // namespace

std::string delimiter_name(char delimiter) {
  if (delimiter == blanks) return "blanks";
  return delimiter == '\t' ? "tab" : fmt::format("'{}'", delimiter);
}

TextLayout find_layout(InputReader& input, const TextOptions& options) {
  TextSample sample = read_sample(input, options);
  TextLayout layout;
  layout.delimiter = sample.delimiter;
  layout.decimal = sample.decimal;
  layout.trailing_delimiter = sample.trailing_delimiter;
  const bool header = first_line_names_columns(sample, options);
  if (header && sample.records.size() == 1)
    throw Error(fmt::format("'{}' holds a line of names only. Found array with 0 sample(s)", input.name()));
  layout.row_names = first_field_names_rows(sample, options, header);
  const Record& row = sample.second();
  const std::size_t names = layout.row_names ? 1 : 0;
  if (row.size() == names)
    throw Error(fmt::format("'{}' holds names only. Found array with 0 feature(s)", input.name()));
  layout.columns = static_cast<Index>(row.size() - names);
  layout.lines_before = sample.lines_before + (header ? 1 : 0);
  const char* place = "in the first line";
  if (header) {
    const Record& first = sample.records.front();
    layout.column_names = names_from(first, first.size() == row.size() ? names : 0);
  } else if (Record comment; comment_names_columns(sample, row.size() - names, comment)) {
    layout.column_names = names_from(comment, 0);
    place = "in the comment above";
  }
  if (header && static_cast<Index>(layout.column_names.size()) != layout.columns)
    throw Error(fmt::format("'{}' names {} columns in its first line, but the next line has {} numbers", input.name(),
                            layout.column_names.size(), layout.columns));
  layout.description = description_of(layout, sample, place);
  return layout;
}

}  // namespace scanmf::formats
