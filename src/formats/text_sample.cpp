#include "formats/text_sample.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "core/printable.hpp"
#include "formats/text_number.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::formats {
namespace {

constexpr std::size_t most_lines = 1000;
constexpr std::size_t enough_bytes = std::size_t{1} << 22;
constexpr std::size_t fewest_lines = 4;  // however long they are

struct Lines {
  std::vector<std::string> text;
  std::optional<char> stated_delimiter;  // "sep=;", as Excel has it
};

bool is_comment(const std::string& line) {
  const std::size_t first = line.find_first_not_of(" \t");
  return line[first] == '#' || line[first] == '%';
}

std::optional<char> stated_delimiter(const std::string& line) {
  const bool quoted = line.size() == 7 && line.front() == '"' && line.back() == '"';
  const std::string_view bare = quoted ? std::string_view(line).substr(1, 5) : std::string_view(line);
  if (bare.size() != 5 || (!bare.starts_with("sep=") && !bare.starts_with("SEP="))) return std::nullopt;
  return bare[4];
}

/// Octave's own text format says in comments what follows: "# name: X" and behind it at once "# type: matrix", then
/// "# rows: 3" and "# columns: 2". Of its types a full matrix alone is written as a table of its rows.
class OctaveText {
 public:
  explicit OctaveText(const std::string& file) : file_(file) {}

  /// True for a comment of that format that follows name and type. Throws Error for what is no such matrix.
  bool is_part(const std::string& comment) {
    const std::string type = named_ ? after(comment, "type:") : "";
    named_ = !after(comment, "name:").empty();
    if (!is_type(type)) return found_;
    if (!type.ends_with("float matrix") && type != "matrix")
      throw Error(
          fmt::format("'{}' is Octave's text format of a '{}', which is no table of rows: save it with -hdf5, which is "
                      "read as it is",
                      file_, printable(type)));
    found_ = true;
    return true;
  }

 private:
  /// Of Octave's types, "complex matrix" and "scalar struct" among them, the last words.
  static bool is_type(const std::string& type) {
    const std::string last = type.substr(type.rfind(' ') + 1);  // all of it where there is no blank
    constexpr std::string_view words[] = {"matrix", "scalar", "struct", "cell",   "string",      "sq_string",
                                          "bool",   "range",  "handle", "object", "double_range"};
    return std::ranges::find(words, last) != std::end(words);
  }
  static std::string after(const std::string& comment, std::string_view key) {
    const std::size_t at = comment.find_first_not_of("#% \t");
    if (at == std::string::npos || !std::string_view(comment).substr(at).starts_with(key)) return "";
    const std::size_t begin = comment.find_first_not_of(" \t", at + key.size());
    return begin == std::string::npos ? "" : comment.substr(begin, comment.find_last_not_of(" \t\r") + 1 - begin);
  }

  const std::string& file_;
  bool named_ = false;  // by the comment before
  bool found_ = false;
};

Lines read_lines(InputReader& input, const TextOptions& options, TextSample& sample) {
  Lines lines;
  input.begin_text();
  LineReader reader(input, options.delimiter.value_or(','));
  std::size_t bytes = 0;
  OctaveText octave(input.name());
  for (std::string line; reader.next(line);) {
    if (lines.text.empty()) {
      const std::optional<char> stated = stated_delimiter(line);
      if (stated || is_comment(line)) {
        ++sample.lines_before;
        sample.comments += stated ? 0 : 1;
        const bool names_nothing = stated || octave.is_part(line);
        sample.last_comment = names_nothing ? "" : line.substr(line.find_first_not_of(" \t"));
        if (stated) lines.stated_delimiter = stated;
        continue;
      }
      if (reader.left_out()) sample.last_comment.clear();
    }
    bytes += line.size();
    lines.text.push_back(line);
    sample.line_numbers.push_back(reader.line_number());
    if (lines.text.size() >= most_lines || (bytes >= enough_bytes && lines.text.size() >= fewest_lines)) break;
  }
  if (lines.text.empty())
    throw Error(fmt::format("'{}' {}. Found array with 0 sample(s)", input.name(),
                            sample.comments > 0 ? "holds nothing but comments" : "is empty"));
  return lines;
}

bool is_numeric(const std::string& text, const TextOptions& options) {
  const auto numeric = [&](char decimal) {
    const CellKind kind = parse_cell(text, decimal).kind;
    return kind != CellKind::word && kind != CellKind::missing;
  };
  return options.decimal ? numeric(*options.decimal) : numeric('.') || numeric(',');
}

/// How many more numbers than words the rows have when they are cut at `delimiter`. The first field may be a name.
Index score(const Lines& lines, char delimiter, const TextOptions& options) {
  constexpr std::size_t enough = 200;
  Index result = 0;
  Record record;
  const std::size_t begin = lines.text.size() > 1 ? 1 : 0;  // the first line may hold names
  for (std::size_t i = begin; i < std::min(lines.text.size(), begin + enough); ++i) {
    if (!record.split(lines.text[i], delimiter)) return -1;
    if (record.size() < 2) continue;
    for (std::size_t j = 0; j < record.size(); ++j) {
      const bool number = is_numeric(record[j].text, options);
      const bool word = !number && j > 0 && !is_missing_word(record[j].text);
      result += number ? 1 : word ? -1 : 0;
    }
  }
  return result;
}

char find_delimiter(const Lines& lines, const TextOptions& options, const std::string& file) {
  if (options.delimiter) return *options.delimiter;
  if (lines.stated_delimiter) return *lines.stated_delimiter;
  constexpr std::array<char, 5> candidates = {'\t', ';', '|', ',', blanks};
  std::array<Index, candidates.size()> scores{};
  for (std::size_t c = 0; c < candidates.size(); ++c) {
    const bool mark = candidates[c] == ',' && options.decimal == ',';
    scores[c] = mark ? 0 : score(lines, candidates[c], options);
  }
  const auto best = std::max_element(scores.begin(), scores.end());
  if (*best > 0) {
    if (candidates[static_cast<std::size_t>(best - scores.begin())] == ',' && scores[4] == *best)
      throw Error(fmt::format(
          "'{}' line 1: fields may end at commas or at blanks; say which with --delimiter , or --delimiter space",
          file));
    return candidates[static_cast<std::size_t>(best - scores.begin())];
  }
  for (const char candidate : {'\t', ';', '|', ','}) {  // one column of numbers, or none at all
    const bool everywhere = std::all_of(lines.text.begin(), lines.text.end(), [&](const std::string& line) {
      return line.find(candidate) != std::string::npos;
    });
    if (everywhere && !(candidate == ',' && options.decimal == ',')) return candidate;
  }
  return options.decimal == ',' ? ';' : ',';
}

[[noreturn]] void refuse_thousands(const TextSample& sample, std::size_t record, std::size_t column,
                                   const std::string& text) {
  throw Error(
      fmt::format("'{}' line {} column {}: '{}' has separators of thousands, a currency or a per cent sign: export "
                  "plain numbers (for decimal "
                  "commas: --decimal ,)",
                  sample.file, sample.line_numbers[record], column + 1, printable(text)));
}

/// Digits in groups, or beside signs of money and per cent: a number for people, not for programs.
bool is_for_people(const std::string& text, char decimal) {
  if (decimal_evidence(text) == DecimalEvidence::thousands) return true;
  if (decimal == '.' && decimal_evidence(text) != DecimalEvidence::none && text.find(',') != std::string::npos)
    return true;
  std::string rest;
  bool sign = false;
  for (std::size_t i = 0; i < text.size();) {
    bool found = false;
    for (const std::string_view mark :
         {"\xC2\xA0", "\xE2\x80\xAF", "\xE2\x80\x99", "\xE2\x82\xAC", "\xC2\xA3", "$", "%", "'", " "}) {
      if (!std::string_view(text).substr(i).starts_with(mark)) continue;
      sign = found = true;
      i += mark.size();
      break;
    }
    if (!found) rest += text[i++];
  }
  return sign && !rest.empty() && rest.find_first_not_of("0123456789.,+-") == std::string::npos &&
         parse_cell(rest, decimal).kind == CellKind::number;
}

char find_decimal(const TextSample& sample, const TextOptions& options) {
  if (options.decimal) return *options.decimal;
  if (sample.delimiter == ',') return '.';
  std::string comma;
  std::string point;
  std::string ambiguous;
  for (std::size_t i = 0; i < sample.records.size(); ++i) {
    const Record& record = sample.records[i];
    for (std::size_t j = 0; j < record.size(); ++j) {
      const std::string& text = record[j].text;
      const DecimalEvidence evidence = decimal_evidence(text);
      if (evidence == DecimalEvidence::thousands && (j > 0 || record.size() == 1)) refuse_thousands(sample, i, j, text);
      if (evidence == DecimalEvidence::comma && comma.empty()) comma = text;
      if (evidence == DecimalEvidence::point && point.empty()) point = text;
      if (evidence == DecimalEvidence::ambiguous && ambiguous.empty()) ambiguous = text;
    }
  }
  const std::string& any_comma = comma.empty() ? ambiguous : comma;
  if (!any_comma.empty() && !point.empty())
    throw Error(fmt::format("'{}' has '{}' and '{}': say which is the decimal mark with --decimal . or --decimal ,",
                            sample.file, point, any_comma));
  if (comma.empty() && !ambiguous.empty())
    throw Error(
        fmt::format("'{}' has '{}': a decimal comma (--decimal ,) or a separator of thousands (export plain numbers)",
                    sample.file, ambiguous));
  return comma.empty() ? '.' : ',';
}

bool ends_empty(const Record& record) {
  return record.size() > 1 && record[record.size() - 1].text.empty() && !record[record.size() - 1].quoted;
}

/// Leaves the empty field behind a delimiter at the end of each line out, where no name says that it is a column.
void drop_trailing(TextSample& sample) {
  const std::size_t begin = sample.records.size() > 1 ? 1 : 0;
  const bool all =
      std::all_of(sample.records.begin() + static_cast<std::ptrdiff_t>(begin), sample.records.end(), ends_empty);
  Record& first = sample.records.front();
  if (!all || (!ends_empty(first) && first.size() == sample.second().size())) return;
  sample.trailing_delimiter = true;
  for (std::size_t i = begin; i < sample.records.size(); ++i) sample.records[i].drop_last();
  if (begin > 0 && ends_empty(first)) first.drop_last();
}

/// Two columns of digits, or one of decimal commas? Only the latter have zeros in front.
void check_decimal_commas(const TextSample& sample, const TextOptions& options) {
  if (sample.delimiter != ',' || options.delimiter || options.decimal) return;
  bool zero_in_front = false;
  for (const Record& record : sample.records) {
    if (&record == &sample.records.front() && sample.look(record[0]) == Look::word) continue;
    if (record.size() != 2 || record[0].quoted || record[1].quoted) return;
    const std::string& text = record[1].text;
    if (record[0].text.find_first_not_of("0123456789") != std::string::npos ||
        text.find_first_not_of("0123456789") != std::string::npos)
      return;
    zero_in_front = zero_in_front || (text.size() > 1 && text[0] == '0');
  }
  const bool one_name = sample.records.front().size() == 1;
  if (zero_in_front || one_name)
    throw Error(fmt::format("'{}' has two columns (--delimiter ,) or one of decimal commas (--decimal ,): say which",
                            sample.file));
}

}  // namespace

Look TextSample::look(const Field& field) const {
  switch (parse_cell(field.text, decimal, missing).kind) {
    case CellKind::missing:
      return Look::missing;
    case CellKind::word:
      return Look::word;
    default:
      return Look::number;
  }
}

TextSample read_sample(InputReader& input, const TextOptions& options) {
  TextSample sample;
  sample.file = input.name();
  sample.missing = options.missing;
  const Lines lines = read_lines(input, options, sample);
  sample.delimiter = find_delimiter(lines, options, sample.file);
  for (std::size_t i = 0; i < lines.text.size(); ++i) {
    sample.records.emplace_back();
    if (!sample.records.back().split(lines.text[i], sample.delimiter))
      throw Error(fmt::format("'{}' line {}: text behind a closing quote", sample.file, sample.line_numbers[i]));
  }
  sample.decimal = find_decimal(sample, options);
  for (std::size_t i = 0; i < sample.records.size(); ++i)
    for (std::size_t j = 0; j < sample.records[i].size(); ++j)
      if (is_for_people(sample.records[i][j].text, sample.decimal))
        refuse_thousands(sample, i, j, sample.records[i][j].text);
  drop_trailing(sample);
  check_decimal_commas(sample, options);
  return sample;
}

}  // namespace scanmf::formats
