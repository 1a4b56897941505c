#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "formats/input_reader.hpp"

namespace scanmf::formats {

constexpr char blanks = ' ';  // as a delimiter: any blanks and tabs

/// Whether a character may end fields: not one of numbers, quotes and ends of lines.
constexpr bool may_end_fields(char c) {
  return std::string_view("\"\n\r+-.0123456789eE").find(c) == std::string_view::npos;
}

struct Field {
  std::string text;  // without quotes and the blanks around
  bool quoted = false;
};

/// Fields of one line. Kept and filled anew: its strings keep their memory.
class Record {
 public:
  /// False when a quoted field does not end at a delimiter.
  bool split(std::string_view line, char delimiter);
  std::size_t size() const { return count_; }
  const Field& operator[](std::size_t i) const { return fields_[i]; }
  void drop_last() { --count_; }

 private:
  Field& next_field();

  std::vector<Field> fields_;
  std::size_t count_ = 0;
};

/// Reads the lines of a table: a line break within quotes belongs to the line, empty lines are left out.
class LineReader {
 public:
  LineReader(InputReader& input, char delimiter) : input_(input), delimiter_(delimiter) {}
  /// False at the end. Throws Error where quotes are never closed.
  bool next(std::string& line);
  /// The line that the last one begins in, counted from 1.
  Index line_number() const { return line_number_; }
  /// Whether empty lines were left out before the last line, behind the first one.
  bool left_out() const { return left_out_; }

 private:
  bool next_any(std::string& line);

  InputReader& input_;
  char delimiter_;  // beside the usual ones
  Index line_number_ = 0;
  Index breaks_ = 0;  // lines that are read
  bool left_out_ = false;
};

}  // namespace scanmf::formats
