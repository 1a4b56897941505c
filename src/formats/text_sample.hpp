#pragma once

#include <string>
#include <vector>

#include "formats/formats.hpp"
#include "formats/text_record.hpp"

namespace scanmf::formats {

/// What a field looks like.
enum class Look { number, missing, word };

/// The first lines of a table, cut into fields; what is in front of them.
struct TextSample {
  std::string file;
  char delimiter = blanks;
  char decimal = '.';
  std::vector<Record> records;
  std::vector<Index> line_numbers;  // of the records
  bool trailing_delimiter = false;  // left out of the records
  Index lines_before = 0;           // comments and "sep=;"
  Index comments = 0;
  std::string last_comment;  // directly above the first record
  std::vector<std::string> missing;

  Look look(const Field& field) const;
  /// The record below the first one; the first one where it is alone.
  const Record& second() const { return records[records.size() > 1 ? 1 : 0]; }
};

/// Throws Error: nothing but comments; delimiter or decimal mark in doubt; thousands separators.
TextSample read_sample(InputReader& input, const TextOptions& options);

}  // namespace scanmf::formats
