#pragma once

#include <string>
#include <vector>

#include "formats/formats.hpp"
#include "formats/text_record.hpp"

namespace scanmf::formats {

/// How a table is written, as text_grammar.md says.
struct TextLayout {
  char delimiter = blanks;
  char decimal = '.';
  Index lines_before = 0;           // lines in front of the first row: comments, "sep=;", names
  bool row_names = false;           // the first field of each row is its name
  bool trailing_delimiter = false;  // a delimiter behind the last field of each row
  Index columns = 0;                // of numbers
  std::vector<std::string> column_names;
  std::string description;  // what was taken for what, for the log
};

/// For people: "tab", "';'", "blanks".
std::string delimiter_name(char delimiter);

/// Reads the beginning of the text. Throws Error where it can be understood in two ways: the message names the option
/// that settles it.
TextLayout find_layout(InputReader& input, const TextOptions& options);

}  // namespace scanmf::formats
