#include "formats/text_record.hpp"

#include <fmt/format.h>

#include "scanmf/core/error.hpp"

namespace scanmf::formats {
namespace {

bool is_blank(char c) { return c == ' ' || c == '\t'; }

/// What a quote may stand behind, or in front of, when nobody knows the delimiter yet.
bool may_delimit(char c) { return is_blank(c) || c == ',' || c == ';' || c == '|' || c == ':'; }

constexpr std::size_t longest_quoted = std::size_t{1} << 20;

}  // namespace

Field& Record::next_field() {
  if (count_ == fields_.size()) fields_.emplace_back();
  Field& field = fields_[count_++];
  field.text.clear();
  field.quoted = false;
  return field;
}

bool Record::split(std::string_view line, char delimiter) {
  count_ = 0;
  const auto ends_field = [&](std::size_t at) {
    return at == line.size() || (delimiter == blanks ? is_blank(line[at]) : line[at] == delimiter);
  };
  const auto is_space = [&](std::size_t at) { return at < line.size() && is_blank(line[at]) && line[at] != delimiter; };
  for (std::size_t at = 0;;) {
    while (is_space(at) || (delimiter == blanks && at < line.size() && is_blank(line[at]))) ++at;
    if (delimiter == blanks && at == line.size()) return true;
    Field& field = next_field();
    if (at < line.size() && line[at] == '"') {
      field.quoted = true;
      for (++at; at < line.size(); ++at) {
        const bool escaped =
            line[at] == '\\' && at + 2 < line.size() && line[at + 1] == '"' && !ends_field(at + 2);  // as R writes it
        const bool doubled = line[at] == '"' && at + 1 < line.size() && line[at + 1] == '"';
        if (line[at] == '"' && !doubled) break;
        if (escaped || doubled) ++at;
        field.text += line[at];
      }
      if (at < line.size()) ++at;
      while (is_space(at)) ++at;
      if (!ends_field(at)) return false;
    } else {
      const std::size_t begin = at;
      while (!ends_field(at)) ++at;
      std::size_t end = at;
      while (end > begin && is_space(end - 1)) --end;
      field.text.assign(line.substr(begin, end - begin));
    }
    if (at == line.size()) return true;
    ++at;
  }
}

bool LineReader::next_any(std::string& line) {
  line.clear();
  int c = input_.next_character();
  if (c < 0) return false;
  line_number_ = ++breaks_;
  bool quoted = false;
  std::size_t quote_begin = 0;
  for (; c >= 0; c = input_.next_character()) {
    if (c == '\n' && !quoted) return true;
    if (c == '\n') ++breaks_;
    if (c == '"') {
      const char before = line.empty() ? ' ' : line.back();
      if (quoted) {
        quoted = false;  // until the next character, where it was one of two
      } else if (may_delimit(before) || before == delimiter_ || (before == '"' && quote_begin != 0)) {
        quoted = true;
        quote_begin = line.size() + 1;
      }
    }
    line.push_back(static_cast<char>(c));
    if (quoted && line.size() - quote_begin > longest_quoted) break;
  }
  if (quoted)
    throw Error(
        fmt::format("'{}' line {}: a quoted field that begins here is never closed", input_.name(), line_number_));
  return true;
}

bool LineReader::next(std::string& line) {
  left_out_ = false;
  while (next_any(line)) {
    if (line.find_first_not_of(" \t") != std::string::npos) return true;
    left_out_ = true;
  }
  return false;
}

}  // namespace scanmf::formats
