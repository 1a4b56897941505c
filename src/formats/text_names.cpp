#include "formats/text_names.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>
#include <string>

#include "core/printable.hpp"
#include "formats/text_number.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::formats {
namespace {

[[noreturn]] void doubt_header(const TextSample& sample, const std::string& why) {
  throw Error(fmt::format("'{}' line {}: {}; if it holds the names of the columns: --header yes, else --header no",
                          sample.file, sample.line_numbers.front(), why));
}

[[noreturn]] void doubt_row_names(const TextSample& sample, const std::string& why) {
  throw Error(fmt::format("'{}': {}; if the first field of each line is its name: --row-names yes, else --row-names no",
                          sample.file, why));
}

bool is_integer(const std::string& text) {
  const std::size_t begin = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  return text.size() > begin && text.find_first_not_of("0123456789", begin) == std::string::npos;
}

/// A number with something behind it: "1.5kg". Names may begin like that ("7SK"), wrong numbers do.
bool begins_as_number(const std::string& text) {
  return !text.empty() &&
         (std::isdigit(static_cast<unsigned char>(text[0])) != 0 || text[0] == '-' || text[0] == '.' || text[0] == '+');
}

/// Numbers from field `begin` on.
std::vector<double> values_of(const TextSample& sample, const Record& record, std::size_t begin) {
  std::vector<double> values;
  for (std::size_t j = begin; j < record.size(); ++j)
    values.push_back(parse_cell(record[j].text, sample.decimal, sample.missing).value);
  return values;
}

bool counts_up(const std::vector<double>& values) {
  for (std::size_t i = 1; i < values.size(); ++i)
    if (values[i] != values[i - 1] + 1) return false;
  return !values.empty();
}

/// Numbers as they stand above columns: 0, 1, 2, …; years; wavelengths. Of few numbers only the first two kinds.
bool may_be_names(const std::vector<double>& values) {
  constexpr std::size_t many = 5;
  constexpr double least_year = 1000;
  if (values.size() < 2) return false;
  if (counts_up(values) && ((values.size() > 2 && values[0] == 0) || values[0] >= least_year)) return true;
  if (values.size() < many) return false;
  for (std::size_t i = 1; i < values.size(); ++i)
    if (!(values[i] > values[i - 1])) return false;
  return true;
}

/// The first record holds integers, all numbers below are written with a decimal mark or an exponent.
bool differs_in_writing(const TextSample& sample, std::size_t begin) {
  const Record& first = sample.records.front();
  for (std::size_t j = begin; j < first.size(); ++j)
    if (!is_integer(first[j].text)) return false;
  for (std::size_t i = 1; i < sample.records.size(); ++i)
    for (std::size_t j = begin; j < sample.records[i].size(); ++j)
      if (is_integer(sample.records[i][j].text)) return false;
  return sample.records.size() > 1;
}

/// Names or a row? The first record has numbers from field `begin` on.
bool numbers_are_names(const TextSample& sample, std::size_t begin) {
  const std::vector<double> first = values_of(sample, sample.records.front(), begin);
  const bool as_pandas = first.size() > 1 && counts_up(first) && first[0] == 0;
  if (as_pandas && differs_in_writing(sample, begin)) return true;
  if (!may_be_names(first) || may_be_names(values_of(sample, sample.second(), begin))) return false;
  if (counts_up(first) && counts_up(values_of(sample, sample.second(), begin))) return false;
  if (differs_in_writing(sample, begin)) return true;
  doubt_header(sample, "numbers as they stand above columns, or a row");
}

/// What the first fields of the records below the first one are.
struct FirstFields {
  std::size_t count = 0;
  std::size_t words = 0;
  std::size_t missing = 0;
  std::size_t quoted = 0;
  std::size_t integers = 0;
  std::vector<double> values;
  std::string a_word;
  std::string a_number;
  bool all(std::size_t some) const { return count > 0 && some == count; }
  /// 0, 1, 2, … or 1, 2, 3, …
  bool is_index() const { return integers == count && counts_up(values) && (values[0] == 0 || values[0] == 1); }
  bool distinct() const {
    std::vector<double> sorted = values;
    std::sort(sorted.begin(), sorted.end());
    return std::adjacent_find(sorted.begin(), sorted.end()) == sorted.end();
  }
};

FirstFields first_fields(const TextSample& sample, std::size_t begin) {
  FirstFields result;
  for (std::size_t i = begin; i < sample.records.size(); ++i) {
    const Record& record = sample.records[i];
    if (record.size() == 0) continue;
    const Field& field = record[0];
    const Look look = sample.look(field);
    ++result.count;
    result.words += look == Look::word ? 1U : 0U;
    result.missing += look == Look::missing ? 1U : 0U;
    result.integers += is_integer(field.text) ? 1U : 0U;
    bool other_unquoted = false;
    for (std::size_t j = 1; j < record.size(); ++j) other_unquoted = other_unquoted || !record[j].quoted;
    result.quoted += field.quoted && other_unquoted ? 1U : 0U;
    result.values.push_back(parse_cell(field.text, sample.decimal, sample.missing).value);
    std::string& example = look == Look::word ? result.a_word : result.a_number;
    if (example.empty()) example = field.text;
  }
  return result;
}

/// The first record is one field short.
bool short_line_names_columns(const TextSample& sample) {
  const Record& first = sample.records.front();
  for (std::size_t j = 0; j < first.size(); ++j)
    if (sample.look(first[j]) == Look::word || first[j].quoted) return true;
  const FirstFields below = first_fields(sample, 1);
  if (below.all(below.words) || below.all(below.quoted)) return true;
  doubt_header(sample, "it has one field fewer than the next line");
}

/// Fields of the first record behind its first one.
struct FirstRecord {
  std::size_t words = 0;
  std::size_t numbers = 0;         // not quoted, or quoted as those below
  std::size_t quoted_numbers = 0;  // above numbers without quotes
  std::size_t missing = 0;
  bool words_begin_as_numbers = true;
  bool empty_name = false;
};

FirstRecord first_record(const TextSample& sample, std::size_t begin) {
  FirstRecord result;
  const Record& first = sample.records.front();
  const Record& second = sample.second();
  for (std::size_t j = begin; j < first.size(); ++j) {
    const bool quoted_alone = first[j].quoted && j < second.size() && !second[j].quoted;
    switch (sample.look(first[j])) {
      case Look::word:
        ++result.words;
        result.words_begin_as_numbers = result.words_begin_as_numbers && begins_as_number(first[j].text);
        break;
      case Look::missing:
        ++result.missing;
        result.empty_name = result.empty_name || first[j].text.empty();
        break;
      case Look::number:
        ++(quoted_alone ? result.quoted_numbers : result.numbers);
    }
  }
  return result;
}

/// The first record, all numbers (or missing values) behind its first field.
bool numbers_name_columns(const TextSample& sample, const FirstRecord& record) {
  const Field& corner = sample.records.front()[0];
  const FirstFields below = first_fields(sample, 1);
  switch (sample.look(corner)) {
    case Look::missing:
      if (record.missing > 0) doubt_header(sample, "empty or missing fields");
      if (below.all(below.words) || below.all(below.quoted) || below.is_index()) return true;
      if (below.all(below.integers) && below.distinct() && counts_up(values_of(sample, sample.records.front(), 1)))
        return true;
      doubt_header(sample, fmt::format("its first field is {}", corner.text.empty() ? "empty" : "missing"));
    case Look::word:
      if (record.missing > 0) return false;
      if (below.words > 0) return numbers_are_names(sample, 1);
      if (may_be_names(values_of(sample, sample.records.front(), 1))) return true;
      doubt_header(sample, fmt::format("'{}' is not a number", printable(corner.text)));
    case Look::number:
      break;
  }
  return record.missing == 0 && numbers_are_names(sample, 0);
}

bool one_field_names_column(const TextSample& sample) {
  const Field& field = sample.records.front()[0];
  const Look look = sample.look(field);
  if (look == Look::word && begins_as_number(field.text) && !field.quoted)
    doubt_header(sample, fmt::format("'{}' is not a number", printable(field.text)));
  return look == Look::word || (field.quoted && !sample.second()[0].quoted);
}

/// A column without a name is most often a second one of row names (pandas' MultiIndex).
void refuse_empty_name(const TextSample& sample, const FirstRecord& record) {
  if (record.empty_name)
    doubt_header(sample, "a name is empty, behind the first field too (two columns of row names are not read)");
}

bool equal_line_names_columns(const TextSample& sample) {
  const Record& first = sample.records.front();
  if (first.size() == 1) return one_field_names_column(sample);
  const FirstRecord record = first_record(sample, 1);
  if (record.words > 0 && record.numbers > 0) doubt_header(sample, "words and numbers");
  if (record.words > 0) {
    const bool few = record.words == 1 && first.size() > 2;
    if (record.words_begin_as_numbers && (record.words == 1 || record.missing > 0))
      doubt_header(sample, "fields that begin as numbers");
    if (few && sample.look(first[0]) == Look::number && !first[0].quoted) doubt_header(sample, "words and numbers");
    refuse_empty_name(sample, record);
    return true;
  }
  if (record.quoted_numbers > 0 && record.numbers == 0) {
    refuse_empty_name(sample, record);
    return true;
  }
  if (record.numbers == 0 && sample.records.size() > 1) doubt_header(sample, "missing values");
  return numbers_name_columns(sample, record);
}

/// "id", "sample_id", "Unnamed: 0", …: what stands above names of rows.
bool names_an_index(const std::string& text) {
  std::string word;
  for (const char c : text) word.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  if (word.starts_with("unnamed: ")) return true;
  word = word.substr(word.find_last_of("_. -") == std::string::npos ? 0 : word.find_last_of("_. -") + 1);
  static constexpr std::array<std::string_view, 14> known = {"id",     "ids",     "index",    "idx", "name",
                                                             "names",  "rowname", "rownames", "row", "rowid",
                                                             "sample", "key",     "barcode",  "cell"};
  return std::find(known.begin(), known.end(), word) != known.end();
}

}  // namespace

bool first_line_names_columns(const TextSample& sample, const TextOptions& options) {
  if (options.header) return *options.header;
  const Record& first = sample.records.front();
  const std::size_t fields = sample.second().size();
  if (sample.records.size() > 1 && first.size() + 1 == fields) return short_line_names_columns(sample);
  if (first.size() != fields)
    throw Error(fmt::format("'{}' line {} has {} fields, but the first line has {}", sample.file,
                            sample.line_numbers[1], fields, first.size()));
  if (sample.records.size() == 1) {
    const FirstRecord record = first_record(sample, 0);
    const bool may_be_row = sample.look(first[0]) == Look::word && record.words == 1 && record.numbers > 0;
    return record.words > 0 && !may_be_row;
  }
  return equal_line_names_columns(sample);
}

bool first_field_names_rows(const TextSample& sample, const TextOptions& options, bool header) {
  const std::size_t fields = sample.second().size();
  const bool one_short = header && sample.records.front().size() + 1 == sample.second().size();
  if (options.row_names) return *options.row_names;
  if (one_short) return true;
  if (fields < 2) return false;
  const FirstFields below = first_fields(sample, header ? 1 : 0);
  const Field* corner = header ? &sample.records.front()[0] : nullptr;
  if (corner != nullptr && corner->text.empty()) return true;
  if (below.all(below.words) || below.all(below.quoted)) return true;
  if (below.words > 0) {
    if (below.a_word.starts_with('#'))
      doubt_row_names(sample, "a line within the table begins with '#' (comments may stand before it only)");
    doubt_row_names(sample,
                    below.a_number.empty()
                        ? fmt::format("'{}' and empty fields begin the lines", printable(below.a_word))
                        : fmt::format("'{}' and '{}' begin lines", printable(below.a_word), printable(below.a_number)));
  }
  constexpr std::size_t few = 3;
  const bool index = below.count >= few && below.is_index();
  std::vector<double> next;  // the second column, which may be counted up as the first one is
  for (std::size_t i = header ? 1 : 0; index && i < sample.records.size(); ++i)
    next.push_back(sample.records[i].size() > 1 ? parse_cell(sample.records[i][1].text, sample.decimal).value : NAN);
  if (index && !counts_up(next))
    doubt_row_names(sample, fmt::format("the lines begin with {:.0f}, {:.0f}, {:.0f}, ...", below.values[0],
                                        below.values[1], below.values[2]));
  if (corner != nullptr && names_an_index(corner->text) && below.all(below.integers) && below.distinct())
    doubt_row_names(sample, fmt::format("the first column is called '{}'", printable(corner->text)));
  return false;
}

}  // namespace scanmf::formats
