#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <limits>
#include <string_view>

#include "core/number_text.hpp"
#include "formats/entries.hpp"
#include "formats/input_reader.hpp"
#include "formats/tenx.hpp"
#include "formats/text_number.hpp"

namespace scanmf::formats {
namespace {

enum class FieldType { real, integer, unsigned_integer, pattern };

struct MarketHeader {
  bool coordinate = true;
  FieldType field = FieldType::real;
  bool symmetric = false;
  bool of_cell_ranger = false;  // says so in a comment: features × cells
  Shape shape;
  Index entries = 0;
};

[[noreturn]] void fail(const InputReader& file, const std::string& what) {
  throw Error(fmt::format("'{}' line {}: {}", file.name(), file.line_number(), what));
}

/// The words of a line, at most four of them.
struct Words {
  std::array<std::string_view, 4> word;
  std::size_t count = 0;
  bool more = false;
};

Words split(std::string_view line) {
  Words words;
  for (std::size_t begin = line.find_first_not_of(" \t"); begin != std::string_view::npos;) {
    const std::size_t end = std::min(line.find_first_of(" \t", begin), line.size());
    if (words.count == words.word.size()) {
      words.more = true;
      return words;
    }
    words.word[words.count++] = line.substr(begin, end - begin);
    begin = line.find_first_not_of(" \t", end);
  }
  return words;
}

/// The next line that is neither empty nor a comment; no words at the end of the file.
Words next_words(InputReader& file, std::string& line, MarketHeader* header = nullptr) {
  while (file.read_line(line)) {
    if (line.starts_with('%')) {
      if (header != nullptr && line.find("metadata_json") != std::string::npos &&
          line.find("cellranger") != std::string::npos)
        header->of_cell_ranger = true;
      continue;
    }
    const Words words = split(line);
    if (words.count > 0) return words;
  }
  return {};
}

Words expect_words(InputReader& file, std::string& line) {
  const Words words = next_words(file, line);
  if (words.count == 0)
    throw Error(fmt::format("'{}' ends after line {}: entries are missing", file.name(), file.line_number()));
  return words;
}

void expect_end(InputReader& file, Index entries) {
  std::string line;
  if (next_words(file, line).count > 0)
    fail(file, fmt::format("there are more entries than the {} that the file states", entries));
}

Index index_of(const InputReader& file, std::string_view word, Index largest, const char* what) {
  const auto value = parse_index(word);
  if (!value || *value < 1 || *value > largest)
    fail(file, fmt::format("'{}' is no {} from 1 to {}", word, what, largest));
  return *value - 1;
}

Index size_of(const InputReader& file, std::string_view word, const char* what) {
  const auto value = parse_index(word);
  if (!value || *value < 0) fail(file, fmt::format("'{}' is no number of {}", word, what));
  return *value;
}

template <class T>
T value_of(const InputReader& file, std::string_view word) {
  if constexpr (std::is_floating_point_v<T>) {
    const Cell cell = parse_cell(word, '.');
    const bool missing = cell.kind == CellKind::missing && !word.empty() && word != "NA";
    if (cell.kind == CellKind::too_large) fail(file, fmt::format("'{}' is too large", word));
    if (cell.kind == CellKind::infinite) fail(file, fmt::format("'{}' is not finite", word));
    if (cell.kind != CellKind::number && cell.kind != CellKind::inexact && !missing)
      fail(file, fmt::format("'{}' is no number", word));
    return cell.value;
  } else {
    T value = 0;
    if (word.size() > 1 && word[0] == '+') word.remove_prefix(1);
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
    if (error == std::errc::result_out_of_range) fail(file, fmt::format("'{}' is too large for 64 bits", word));
    if (error != std::errc() || end != word.data() + word.size()) fail(file, fmt::format("'{}' is no integer", word));
    return value;
  }
}

void parse_banner(const InputReader& file, const std::string& line, MarketHeader& header) {
  std::string lower;
  for (const char c : line) lower.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  if (!lower.starts_with("%%matrixmarket "))
    throw Error(fmt::format("'{}' is not a Matrix Market file: its first line does not begin with %%MatrixMarket",
                            file.name()));
  const Words words = split(std::string_view(lower).substr(15));
  if (words.count != 4 || words.more || words.word[0] != "matrix")
    fail(file, "expected '%%MatrixMarket matrix FORMAT FIELD SYMMETRY'");
  if (words.word[1] != "coordinate" && words.word[1] != "array")
    fail(file, fmt::format("format '{}': coordinate or array are known", words.word[1]));
  header.coordinate = words.word[1] == "coordinate";
  const std::string_view field = words.word[2];
  if (field == "integer") {
    header.field = FieldType::integer;
  } else if (field == "unsigned-integer") {
    header.field = FieldType::unsigned_integer;
  } else if (field == "pattern" && header.coordinate) {
    header.field = FieldType::pattern;
  } else if (field != "real" && field != "double") {
    fail(file,
         fmt::format("field '{}': real, integer, unsigned-integer and (of coordinates) pattern are known", field));
  }
  if (words.word[3] != "general" && words.word[3] != "symmetric")
    fail(file, fmt::format("symmetry '{}': general and symmetric are known", words.word[3]));
  header.symmetric = words.word[3] == "symmetric";
}

/// Reads from the beginning; the entries follow.
MarketHeader read_market_header(InputReader& file) {
  std::string line;
  file.begin_text();
  file.read_line(line);
  MarketHeader header;
  parse_banner(file, line, header);
  const Words sizes = next_words(file, line, &header);
  if (sizes.count != (header.coordinate ? 3U : 2U) || sizes.more)
    fail(file,
         fmt::format("expected the numbers of rows{}", header.coordinate ? ", columns and entries" : " and columns"));
  header.shape = {size_of(file, sizes.word[0], "rows"), size_of(file, sizes.word[1], "columns")};
  if (header.symmetric && header.shape.rows != header.shape.columns) fail(file, "a symmetric matrix is square");
  const auto elements = checked_product({header.shape.rows, header.shape.columns});
  header.entries = header.coordinate ? size_of(file, sizes.word[2], "entries")
                                     : elements.value_or(std::numeric_limits<Index>::max());
  const Index least_bytes = header.coordinate  ? (header.field == FieldType::pattern ? 4 : 6)
                            : header.symmetric ? 1
                                               : 2;  // of an entry
  const auto least = checked_product({std::max<Index>(0, header.entries - 1), least_bytes});
  if (!file.could_hold(least))
    fail(file, fmt::format("the file is too short for the {} x {} matrix that it states: entries are missing",
                           header.shape.rows, header.shape.columns));
  return header;
}

/// Symmetric files hold one triangle; of one with both nobody knows whether they are to be added.
class Triangle {
 public:
  void check(const InputReader& file, Index row, Index column) {
    (row > column ? lower_ : upper_) = (row > column ? lower_ : upper_) || row != column;
    if (lower_ && upper_)
      fail(file, "entries on both sides of the diagonal of a symmetric matrix, which has one of them");
  }

 private:
  bool lower_ = false;
  bool upper_ = false;
};

/// Reads a coordinate file and calls visit(row, column, value) for each element of the matrix.
template <class T, class Visit>
void for_each_entry(InputReader& file, Visit&& visit) {
  const MarketHeader header = read_market_header(file);
  std::string line;
  Triangle triangle;
  const std::size_t expected = header.field == FieldType::pattern ? 2 : 3;
  for (Index e = 0; e < header.entries; ++e) {
    const Words words = expect_words(file, line);
    if (words.count != expected || words.more)
      fail(file, fmt::format("expected {} numbers: row, column{}", expected, expected == 3 ? " and value" : ""));
    const Index row = index_of(file, words.word[0], header.shape.rows, "row");
    const Index column = index_of(file, words.word[1], header.shape.columns, "column");
    const T value = expected == 3 ? value_of<T>(file, words.word[2]) : T{1};
    visit(row, column, value);
    if (!header.symmetric) continue;
    triangle.check(file, row, column);
    if (row != column) visit(column, row, value);
  }
  expect_end(file, header.entries);
}

/// How rows and columns of the file become those of X, and their names.
struct Placement {
  bool turned = false;
  bool features_are_rows = true;  // of the file
  std::vector<Index> feature;     // number in X, -1: left out; empty: all as they are
  std::vector<std::string> names_of_features;
  std::vector<std::string> names_of_cells;
  Shape shape;  // of X
};

/// Features by cells, or the other way round, as the numbers of names say.
bool are_features_rows(const TenxNames& names, const MarketHeader& header, const std::string& file) {
  const auto fits = [](const std::vector<std::string>& some, Index count) {
    return some.empty() || static_cast<Index>(some.size()) == count;
  };
  if (fits(names.features, header.shape.rows) && fits(names.barcodes, header.shape.columns)) return true;
  if (fits(names.features, header.shape.columns) && fits(names.barcodes, header.shape.rows)) return false;
  throw Error(
      fmt::format("'{}' is a matrix of {} x {}, but beside it there are {} features ('{}') and {} barcodes ('{}')",
                  file, header.shape.rows, header.shape.columns, names.features.size(), names.features_file,
                  names.barcodes.size(), names.barcodes_file));
}

Placement place(const std::string& file, const MarketHeader& header, const ImportOptions& options) {
  Placement result;
  result.shape = header.shape;
  const std::optional<TenxNames> names = names_beside(file);
  if (names) {
    result.features_are_rows = are_features_rows(*names, header, file);
    result.feature = names->features.empty() ? std::vector<Index>{} : kept_features(*names, options.feature_type);
    for (std::size_t i = 0; i < names->features.size(); ++i)
      if (result.feature[i] >= 0) result.names_of_features.push_back(names->features[i]);
    result.names_of_cells = names->barcodes;
    if (!result.feature.empty())
      (result.features_are_rows ? result.shape.rows : result.shape.columns) =
          static_cast<Index>(result.names_of_features.size());
  }
  if (!options.feature_type.empty() && (!names || names->features.empty()))
    throw Error(fmt::format("option '--feature-type' needs the file features.tsv beside '{}'", file));
  result.turned = options.transpose.value_or((names || header.of_cell_ranger) && result.features_are_rows);
  if (result.turned) std::swap(result.shape.rows, result.shape.columns);
  if (names || header.of_cell_ranger)
    log_information(fmt::format("'{}': a matrix of 10x Genomics, {} x {} ({}){}", file, header.shape.rows,
                                header.shape.columns,
                                result.features_are_rows ? "features x cells" : "cells x features",
                                result.turned ? "; it is transposed (--transpose false leaves it)" : ""));
  return result;
}

template <class T>
Imported import_coordinate(InputReader& file, const Placement& placement, data::MatrixFileWriter& out,
                           const ImportOptions& options) {
  return write_entries<T>(file.name(), placement.shape, out, options, [&](auto&& visit) {
    for_each_entry<T>(file, [&](Index row, Index column, T value) {
      if (!placement.feature.empty()) {
        Index& number = placement.features_are_rows ? row : column;
        number = placement.feature[static_cast<std::size_t>(number)];
        if (number < 0) return;
      }
      placement.turned ? visit(column, row, value) : visit(row, column, value);
    });
  });
}

template <class T>
T next_element(InputReader& file, std::string& line) {
  const Words words = expect_words(file, line);
  if (words.count != 1) fail(file, "expected one number");
  return value_of<T>(file, words.word[0]);
}

/// The lower triangle, column after column.
template <class T>
void import_triangle(InputReader& file, const MarketHeader& header, DenseSink& sink, const ImportOptions& options) {
  const Index n = header.shape.rows;
  require_memory(checked_product({n, n, static_cast<Index>(sizeof(T))}), file.name(), options);
  std::vector<T> x(static_cast<std::size_t>(n * n));
  std::string line;
  for (Index j = 0; j < n; ++j)
    for (Index i = j; i < n; ++i)
      x[static_cast<std::size_t>(i * n + j)] = x[static_cast<std::size_t>(j * n + i)] = next_element<T>(file, line);
  for (Index begin = 0; begin < n; begin += sink.piece_lines())
    sink.append(std::min(sink.piece_lines(), n - begin), x.data() + begin * n);
}

/// Column after column, one number a line.
template <class T>
Imported import_array(InputReader& file, const MarketHeader& header, data::MatrixFileWriter& out,
                      const ImportOptions& options) {
  const auto [rows, columns] = header.shape;
  DenseSink sink(out, file.name(), {columns, rows}, number_type_of<T>(), options, LinesAre::columns);
  read_market_header(file);
  if (header.symmetric) {
    import_triangle<T>(file, header, sink, options);
  } else {
    std::vector<T> piece(static_cast<std::size_t>(sink.piece_lines() * rows));
    std::string line;
    for (Index begin = 0; begin < columns; begin += sink.piece_lines()) {
      const Index count = std::min(sink.piece_lines(), columns - begin);
      std::generate_n(piece.begin(), count * rows, [&] { return next_element<T>(file, line); });
      sink.append(count, piece.data());
    }
  }
  expect_end(file, header.symmetric ? rows * (rows + 1) / 2 : rows * columns);
  write_names(out, sink.shape(), options, {}, {});
  return {sink.shape(), std::nullopt};
}

}  // namespace

Imported import_matrix_market(const std::string& name, data::MatrixFileWriter& out, const ImportOptions& options) {
  std::error_code error;
  InputReader file(std::filesystem::is_directory(name, error) ? matrix_of_folder(name) : name);
  const MarketHeader header = read_market_header(file);
  if (!header.coordinate) {
    if (header.field == FieldType::integer) return import_array<std::int64_t>(file, header, out, options);
    if (header.field == FieldType::unsigned_integer) return import_array<std::uint64_t>(file, header, out, options);
    return import_array<double>(file, header, out, options);
  }
  const Placement placement = place(file.name(), header, options);
  const Imported result = [&] {
    switch (header.field) {
      case FieldType::integer:
        return import_coordinate<std::int64_t>(file, placement, out, options);
      case FieldType::unsigned_integer:
        return import_coordinate<std::uint64_t>(file, placement, out, options);
      case FieldType::pattern:
        return import_coordinate<std::uint8_t>(file, placement, out, options);
      case FieldType::real:
        break;
    }
    return import_coordinate<double>(file, placement, out, options);
  }();
  const bool features_are_rows = placement.features_are_rows != placement.turned;  // of X
  write_names(out, result.shape, options, features_are_rows ? placement.names_of_features : placement.names_of_cells,
              features_are_rows ? placement.names_of_cells : placement.names_of_features);
  return result;
}

}  // namespace scanmf::formats
