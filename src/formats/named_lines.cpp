#include "formats/named_lines.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "formats/text_layout.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::formats {
namespace {

bool is_comment(const std::string& line) {
  const std::size_t first = line.find_first_not_of(" \t");
  return first != std::string::npos && (line[first] == '#' || line[first] == '%');
}

/// Fields of each line; 0 where they are not as many in all of them.
std::size_t fields_of(const std::vector<std::string>& lines, char delimiter) {
  Record record;
  std::size_t fields = 0;
  for (const std::string& line : lines) {
    if (!record.split(line, delimiter) || (fields != 0 && record.size() != fields)) return 0;
    fields = record.size();
  }
  return fields;
}

}  // namespace

NamedLines::NamedLines(const std::string& file, std::size_t wanted, const char* what, const TextOptions& options)
    : input_(file), wanted_(wanted), what_(what) {
  constexpr std::size_t sample = 1000;
  std::vector<std::string> lines;
  input_.begin_text();
  LineReader reader(input_, options.delimiter.value_or(','));
  for (std::string line; lines.size() < sample && reader.next(line);)
    if (!lines.empty() || !is_comment(line)) lines.push_back(line);
  if (lines.empty()) throw Error(fmt::format("'{}' is empty: expected {} in each line", file, what_));
  const auto choose = [&](const std::vector<std::string>& cut) {
    for (const char candidate : {'\t', ';', '|', ',', blanks}) {
      if (fields_of(cut, options.delimiter.value_or(candidate)) < wanted_) continue;
      delimiter_ = options.delimiter.value_or(candidate);
      return true;
    }
    return false;
  };
  // Where no delimiter suits all lines, that of the first one: the line that it does not suit is named then.
  if (!choose(lines) && !choose({lines.front()}))
    throw Error(fmt::format(
        "'{}' line 1: expected {}, with {} between them", file, what_,
        options.delimiter ? delimiter_name(*options.delimiter) : "tabs, semicolons, bars, commas or blanks"));
  fields_ = fields_of({lines.front()}, delimiter_);
}

void NamedLines::begin() {
  input_.begin_text();
  reader_.emplace(input_, delimiter_);
  any_ = false;
}

bool NamedLines::next() {
  do {
    if (!reader_->next(line_)) return false;
  } while (!any_ && is_comment(line_));
  any_ = true;
  if (!record_.split(line_, delimiter_)) fail("text behind a closing quote");
  if (record_.size() != fields_)
    fail(fmt::format("{} fields where {} are expected: {} in each line, with {} between them", record_.size(), fields_,
                     what_, delimiter_name(delimiter_)));
  return true;
}

void NamedLines::fail(const std::string& reason) const {
  throw Error(fmt::format("'{}' line {}: {}", input_.name(), line_number(), reason));
}

std::string NamedLines::description() const {
  std::string text = fmt::format("{} in each line, delimiter {}", what_, delimiter_name(delimiter_));
  if (fields_ > wanted_) text += fmt::format(", {} more fields left out", fields_ - wanted_);
  return text;
}

}  // namespace scanmf::formats
