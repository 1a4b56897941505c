#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "core/printable.hpp"
#include "formats/entries.hpp"
#include "formats/named_lines.hpp"
#include "formats/text_number.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/log.hpp"

namespace scanmf::formats {
namespace {

/// Numbers of names: in the order in which they come, or in that of a list, beside which there are no others.
class Numbering {
 public:
  Numbering(const std::vector<std::string>& list, const char* option) : names_(list), is_fixed_(!list.empty()) {
    for (std::size_t i = 0; i < list.size(); ++i)
      if (!numbers_.emplace(list[i], static_cast<Index>(i)).second)
        throw Error(fmt::format("'{}' is twice in the file of option '{}'", printable(list[i]), option));
  }

  /// nullopt: not in the list.
  std::optional<Index> number(const std::string& name) {
    const auto found = numbers_.find(name);
    if (found != numbers_.end()) return found->second;
    if (is_fixed_) return std::nullopt;
    names_.push_back(name);
    return numbers_.emplace(name, static_cast<Index>(names_.size()) - 1).first->second;
  }
  const std::vector<std::string>& names() const { return names_; }

 private:
  std::vector<std::string> names_;
  std::unordered_map<std::string, Index> numbers_;
  bool is_fixed_;
};

class Triplets {
 public:
  Triplets(const std::string& file, const ImportOptions& options)
      : lines_(file, 3, "a row, a column and a value", options.text),
        options_(options),
        turned_(options.transpose.value_or(false)),
        rows_(options.row_names, "--row-names-from"),
        columns_(options.feature_names, "--feature-names-from") {
    lines_.begin();
    const CellKind first = lines_.next() ? cell().kind : CellKind::word;
    header_ = options.text.header.value_or(first == CellKind::word);
    log_information(
        fmt::format("'{}': {}{}", file, lines_.description(),
                    header_ ? fmt::format(", names of columns in the first line (\"{}\", ...)", printable(lines_[0]))
                            : ", no names of columns"));
  }

  /// visit(row, column, value) for each line, with numbers of X.
  template <class Visit>
  void for_each(Visit&& visit) {
    lines_.begin();
    if (header_) lines_.next();
    while (lines_.next()) {
      const Index row = place(rows_, turned_ ? 1 : 0, "--row-names-from");
      const Index column = place(columns_, turned_ ? 0 : 1, "--feature-names-from");
      visit(row, column, value());
    }
  }

  Shape shape() const {
    return {static_cast<Index>(rows_.names().size()), static_cast<Index>(columns_.names().size())};
  }
  const std::vector<std::string>& row_names() const { return rows_.names(); }
  const std::vector<std::string>& column_names() const { return columns_.names(); }

 private:
  Cell cell() const { return parse_cell(lines_[2], options_.text.decimal.value_or('.'), options_.text.missing); }

  double value() const {
    const Cell found = cell();
    const bool is_right = found.kind == CellKind::number || (found.kind == CellKind::missing && options_.allow_missing);
    if (!is_right) lines_.fail(refusal_of(found.kind, lines_[2]));
    return found.value;
  }

  Index place(Numbering& names, std::size_t field, const char* option) {
    if (lines_[field].empty()) lines_.fail("the name of the row or of the column is empty");
    const std::optional<Index> number = names.number(lines_[field]);
    if (!number) lines_.fail(fmt::format("'{}' is not in the file of option '{}'", printable(lines_[field]), option));
    return *number;
  }

  NamedLines lines_;
  const ImportOptions& options_;
  bool turned_;
  bool header_ = false;
  Numbering rows_;  // of X, as it is written
  Numbering columns_;
};

}  // namespace

Imported import_triplets(const std::string& file, data::MatrixFileWriter& out, const ImportOptions& options) {
  Triplets triplets(file, options);
  triplets.for_each([](Index, Index, double) {});  // collects the names
  const Imported written =
      write_entries<double>(file, triplets.shape(), out, options, [&](auto&& visit) { triplets.for_each(visit); });
  write_names(out, written.shape, options, triplets.row_names(), triplets.column_names());
  return written;
}

}  // namespace scanmf::formats
