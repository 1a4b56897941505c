#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

#include "core/printable.hpp"
#include "formats/dense_sink.hpp"
#include "formats/text_layout.hpp"
#include "formats/text_number.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/log.hpp"

namespace scanmf::formats {
namespace {

constexpr const char* triplets_hint = "; a row, a column and a value in each line: --format triplets";

/// The rows of a table, from the first one on.
class RowsOfText {
 public:
  RowsOfText(InputReader& input, const TextLayout& layout, const ImportOptions& options)
      : input_(input), layout_(layout), options_(options), reader_(input, layout.delimiter) {
    input_.begin_text();
    for (Index i = 0; i < layout_.lines_before; ++i) reader_.next(line_);
  }

  bool next_line() {
    const bool found = reader_.next(line_);
    if (found && reader_.left_out() && any_ && layout_.columns == 1 && !layout_.row_names)
      throw Error(fmt::format("'{}' line {}: the line before is empty: a missing value?", input_.name(),
                              reader_.line_number()));
    any_ = true;
    return found;
  }

  /// The next row's numbers, and its name where it has one. There must be one.
  void read(double* row, std::string& name) {
    next_line();
    if (!record_.split(line_, layout_.delimiter)) fail(0, "text behind a closing quote");
    const std::size_t first = layout_.row_names ? 1 : 0;
    if (layout_.trailing_delimiter && record_.size() > 1 && record_[record_.size() - 1].text.empty())
      record_.drop_last();
    const Index found = static_cast<Index>(record_.size()) - static_cast<Index>(first);
    if (found != layout_.columns) {
      const bool comment = line_[line_.find_first_not_of(" \t")] == '#';
      fail(0, fmt::format("{} numbers where {} are expected{}", found, layout_.columns,
                          comment ? " (comments may stand before the table only)" : ""));
    }
    if (layout_.row_names) name = record_[0].text;
    for (std::size_t j = first; j < record_.size(); ++j) row[j - first] = number(record_[j].text, j + 1);
  }

  Index missing() const { return missing_; }

 private:
  double number(const std::string& text, std::size_t column) {
    const Cell cell = parse_cell(text, layout_.decimal, options_.text.missing);
    if (cell.kind == CellKind::number) return cell.value;
    if (cell.kind == CellKind::missing && options_.allow_missing) {
      ++missing_;
      return cell.value;
    }
    fail(column, refusal_of(cell.kind, text) + (looks_like_triplet() ? triplets_hint : ""));
  }

  [[noreturn]] void fail(std::size_t column, const std::string& what) const {
    const std::string place = column > 0 ? fmt::format(" column {}", column) : "";
    throw Error(fmt::format("'{}' line {}{}: {}", input_.name(), reader_.line_number(), place, what));
  }

  /// A word in the second field, a number in the third.
  bool looks_like_triplet() const {
    const bool few = record_.size() == 3 || record_.size() == 4;
    return few && parse_cell(record_[1].text, layout_.decimal).kind == CellKind::word &&
           parse_cell(record_[2].text, layout_.decimal).kind == CellKind::number;
  }

  InputReader& input_;
  const TextLayout& layout_;
  const ImportOptions& options_;
  LineReader reader_;
  Record record_;
  std::string line_;
  bool any_ = false;
  Index missing_ = 0;
};

/// "userId,movieId,rating": two columns that number something, and what is said of both.
bool names_triplets(const TextLayout& layout) {
  constexpr std::array words = {"rating", "ratings", "count", "counts",   "value",
                                "weight", "score",   "freq",  "frequency"};
  if (layout.row_names || layout.column_names.size() < 3 || layout.column_names.size() > 4) return false;
  std::string third = layout.column_names[2];
  for (char& c : third) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return std::ranges::find(words, third) != words.end();
}

Index count_rows(InputReader& input, const TextLayout& layout, const ImportOptions& options) {
  RowsOfText rows(input, layout, options);
  Index count = 0;
  while (rows.next_line()) ++count;
  return count;
}

}  // namespace

Imported import_text(const std::string& file, data::MatrixFileWriter& out, const ImportOptions& options) {
  InputReader input(file);
  const TextLayout layout = find_layout(input, options.text);
  log_information(fmt::format("'{}': {}", file, layout.description));
  if (names_triplets(layout))
    log_warning(
        fmt::format("'{}' becomes a matrix of {} columns{}, of names or numbers", file, layout.columns, triplets_hint));
  const Shape shape{count_rows(input, layout, options), layout.columns};
  DenseSink sink(out, file, shape, hdf5::NumberType::float64, options);
  RowsOfText rows(input, layout, options);
  std::vector<std::string> row_names;
  std::vector<double> piece(static_cast<std::size_t>(sink.piece_lines() * shape.columns));
  for (Index begin = 0; begin < shape.rows; begin += sink.piece_lines()) {
    const Index count = std::min(sink.piece_lines(), shape.rows - begin);
    for (Index i = 0; i < count; ++i) {
      std::string name;
      rows.read(piece.data() + i * shape.columns, name);
      if (layout.row_names) row_names.push_back(std::move(name));
    }
    sink.append(count, piece.data());
  }
  if (rows.missing() > 0) log_information(fmt::format("'{}': {} missing values, written as NaN", file, rows.missing()));
  const bool turned = options.transpose.value_or(false);
  write_names(out, sink.shape(), options, turned ? layout.column_names : row_names,
              turned ? row_names : layout.column_names);
  return {sink.shape(), std::nullopt};
}

}  // namespace scanmf::formats
