#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstdint>
#include <limits>
#include <numeric>
#include <string_view>

#include "app/import.hpp"
#include "app/input_reader.hpp"
#include "core/number_text.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::app {
namespace {

enum class Field { real, integer, pattern };

struct MarketHeader {
  bool coordinate = true;
  Field field = Field::real;
  bool symmetric = false;
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

/// The next line that is neither empty nor a comment.
Words next_words(InputReader& file, std::string& line) {
  while (file.read_line(line)) {
    if (line.starts_with('%')) continue;
    const Words words = split(line);
    if (words.count > 0) return words;
  }
  throw Error(fmt::format("'{}' ends after line {}: entries are missing", file.name(), file.line_number()));
}

Index index_of(const InputReader& file, std::string_view word, Index largest, const char* what) {
  const auto value = parse_index(word);
  if (!value || *value < 1 || *value > largest) fail(file, fmt::format("'{}' is no {} from 1 to {}", word, what, largest));
  return *value - 1;
}

double value_of(const InputReader& file, const MarketHeader& header, std::string_view word) {
  const auto value = parse_double(word);
  if (!value || (header.field == Field::integer && !parse_index(word)))
    fail(file, fmt::format("'{}' is no {}", word, header.field == Field::integer ? "integer" : "number"));
  return *value;
}

MarketHeader read_header(InputReader& file) {
  std::string line;
  file.read_line(line);
  std::string lower;
  for (const char c : line) lower.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  if (!lower.starts_with("%%matrixmarket "))
    throw Error(fmt::format("'{}' is not a Matrix Market file: its first line does not begin with %%MatrixMarket", file.name()));
  const Words words = split(std::string_view(lower).substr(15));
  if (words.count != 4 || words.more || words.word[0] != "matrix") fail(file, "expected '%%MatrixMarket matrix FORMAT FIELD SYMMETRY'");
  MarketHeader header;
  if (words.word[1] != "coordinate" && words.word[1] != "array") fail(file, fmt::format("format '{}': coordinate or array are known", words.word[1]));
  header.coordinate = words.word[1] == "coordinate";
  if (words.word[2] == "integer") {
    header.field = Field::integer;
  } else if (words.word[2] == "pattern" && header.coordinate) {
    header.field = Field::pattern;
  } else if (words.word[2] != "real" && words.word[2] != "double") {
    fail(file, fmt::format("field '{}': real, integer and pattern are known", words.word[2]));
  }
  if (words.word[3] != "general" && words.word[3] != "symmetric")
    fail(file, fmt::format("symmetry '{}': general and symmetric are known", words.word[3]));
  header.symmetric = words.word[3] == "symmetric";
  const Words sizes = next_words(file, line);
  if (sizes.count != (header.coordinate ? 3U : 2U)) fail(file, "expected the numbers of rows, columns and entries");
  constexpr Index most = std::numeric_limits<Index>::max();
  header.shape = {index_of(file, sizes.word[0], most, "number of rows") + 1, index_of(file, sizes.word[1], most, "number of columns") + 1};
  if (header.symmetric && header.shape.rows != header.shape.columns) fail(file, "a symmetric matrix is square");
  if (!header.coordinate) return header;
  const auto entries = parse_index(sizes.word[2]);
  if (!entries || *entries < 0) fail(file, fmt::format("'{}' is no number of entries", sizes.word[2]));
  header.entries = *entries;
  return header;
}

/// Reads the entries of a coordinate file and calls visit(row, column, value) for each element of the matrix.
template <class Visit>
void for_each_entry(InputReader& file, const MarketHeader& header, Visit&& visit) {
  std::string line;
  const std::size_t expected = header.field == Field::pattern ? 2 : 3;
  for (Index e = 0; e < header.entries; ++e) {
    const Words words = next_words(file, line);
    if (words.count != expected || words.more)
      fail(file, fmt::format("expected {} numbers: row, column{}", expected, expected == 3 ? " and value" : ""));
    const Index row = index_of(file, words.word[0], header.shape.rows, "row");
    const Index column = index_of(file, words.word[1], header.shape.columns, "column");
    const double value = expected == 3 ? value_of(file, header, words.word[2]) : 1.0;
    visit(row, column, value);
    if (header.symmetric && row != column) visit(column, row, value);
  }
}

template <class T>
void append_as(data::CsrWriter& csr, const std::vector<Index>& lengths, const std::vector<double>& values, const std::vector<std::int32_t>& columns) {
  std::vector<T> converted(values.size());
  std::transform(values.begin(), values.end(), converted.begin(), [](double value) { return static_cast<T>(value); });
  csr.append_rows(lengths, converted.data(), columns);
}

hdf5::NumberType stored_type(const MarketHeader& header, std::optional<DataType> dtype) {
  if (dtype) return *dtype == DataType::float32 ? hdf5::NumberType::float32 : hdf5::NumberType::float64;
  if (header.field == Field::real) return hdf5::NumberType::float64;
  return header.field == Field::integer ? hdf5::NumberType::int64 : hdf5::NumberType::uint8;
}

void append_rows(data::CsrWriter& csr, hdf5::NumberType type, const std::vector<Index>& lengths, const std::vector<double>& values,
                 const std::vector<std::int32_t>& columns) {
  if (type == hdf5::NumberType::float32) return append_as<float>(csr, lengths, values, columns);
  if (type == hdf5::NumberType::int64) return append_as<std::int64_t>(csr, lengths, values, columns);
  if (type == hdf5::NumberType::uint8) return append_as<std::uint8_t>(csr, lengths, values, columns);
  csr.append_rows(lengths, values.data(), columns);
}

/// Reads the file twice: rows are counted first, so that each entry goes straight to its place.
Imported import_coordinate(InputReader& file, const MarketHeader& header, data::MatrixFileWriter& out, std::optional<DataType> dtype) {
  const hdf5::NumberType type = stored_type(header, dtype);
  data::CsrWriter& csr = out.csr("/X", header.shape, type);
  std::vector<Index> begins(static_cast<std::size_t>(header.shape.rows) + 1, 0);
  for_each_entry(file, header, [&](Index row, Index, double) { ++begins[static_cast<std::size_t>(row) + 1]; });
  std::partial_sum(begins.begin(), begins.end(), begins.begin());
  std::vector<Index> next(begins.begin(), begins.end() - 1);
  std::vector<std::pair<std::int32_t, double>> entries(static_cast<std::size_t>(begins.back()));
  file.seek(0);
  read_header(file);
  for_each_entry(file, header, [&](Index row, Index column, double value) {
    entries[static_cast<std::size_t>(next[static_cast<std::size_t>(row)]++)] = {static_cast<std::int32_t>(column), value};
  });
  constexpr Index piece = Index{1} << 20;  // entries written at a time, more when a single row has more
  std::vector<Index> lengths;
  std::vector<double> values;
  std::vector<std::int32_t> columns;
  for (Index row = 0; row < header.shape.rows; ++row) {
    const auto begin = entries.begin() + begins[static_cast<std::size_t>(row)];
    const auto end = entries.begin() + begins[static_cast<std::size_t>(row) + 1];
    std::stable_sort(begin, end, [](const auto& a, const auto& b) { return a.first < b.first; });
    for (auto entry = begin; entry != end; ++entry) {
      columns.push_back(entry->first);
      values.push_back(entry->second);
    }
    lengths.push_back(end - begin);
    if (static_cast<Index>(values.size() + lengths.size()) < piece && row + 1 < header.shape.rows) continue;
    append_rows(csr, type, lengths, values, columns);
    lengths.clear();
    values.clear();
    columns.clear();
  }
  return {header.shape, begins.back()};
}

/// Column after column, one number a line; of a symmetric matrix the lower triangle.
Imported import_array(InputReader& file, const MarketHeader& header, data::MatrixFileWriter& out, std::optional<DataType> dtype) {
  const auto [rows, columns] = header.shape;
  const hdf5::NumberType type = header.field == Field::integer ? hdf5::NumberType::int64 : hdf5::NumberType::float64;
  std::vector<double> x(static_cast<std::size_t>(rows * columns));
  std::string line;
  for (Index j = 0; j < columns; ++j) {
    for (Index i = header.symmetric ? j : 0; i < rows; ++i) {
      const Words words = next_words(file, line);
      if (words.count != 1) fail(file, "expected one number");
      const double value = value_of(file, header, words.word[0]);
      x[static_cast<std::size_t>(i * columns + j)] = value;
      if (header.symmetric) x[static_cast<std::size_t>(j * columns + i)] = value;
    }
  }
  DenseSink sink(out, header.shape, type, dtype);
  if (type == hdf5::NumberType::float64) {
    sink.append(rows, x.data());
  } else {
    const std::vector<std::int64_t> integers(x.begin(), x.end());
    sink.append(rows, integers.data());
  }
  return {header.shape, std::nullopt};
}

}  // namespace

Imported import_matrix_market(const std::string& name, data::MatrixFileWriter& out, std::optional<DataType> dtype) {
  InputReader file(name);
  const MarketHeader header = read_header(file);
  return header.coordinate ? import_coordinate(file, header, out, dtype) : import_array(file, header, out, dtype);
}

}  // namespace scanmf::app
