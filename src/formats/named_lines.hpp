#pragma once

#include <optional>
#include <string>

#include "formats/formats.hpp"
#include "formats/input_reader.hpp"
#include "formats/text_record.hpp"

namespace scanmf::formats {

/// Text whose lines begin with the names of a row and of a column: "user,item" or "user,item,3.5". Read as often as one
/// likes. Comments ("#", "%") before the first line are left out, and so is what stands behind the fields that are
/// wanted.
class NamedLines {
 public:
  /// wanted: how many fields, and what they are, for messages ("a row and a column"). The delimiter is that of the
  /// options, else the first of tab, semicolon, bar, comma and blanks that cuts the first lines into as many fields
  /// each.
  NamedLines(const std::string& file, std::size_t wanted, const char* what, const TextOptions& options);

  void begin();
  /// False at the end. Throws Error for a line of another number of fields than the first.
  bool next();
  const std::string& operator[](std::size_t field) const { return record_[field].text; }
  Index line_number() const { return reader_->line_number(); }
  /// Throws Error with file and line.
  [[noreturn]] void fail(const std::string& reason) const;

  /// For people: "delimiter ',', 4 fields, of which the first 3 are taken".
  std::string description() const;

 private:
  InputReader input_;
  std::size_t wanted_;
  const char* what_;
  std::size_t fields_ = 0;  // of every line
  char delimiter_ = ',';
  std::optional<LineReader> reader_;
  bool any_ = false;
  std::string line_;
  Record record_;
};

}  // namespace scanmf::formats
