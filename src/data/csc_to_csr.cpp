#include "data/csc_to_csr.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "data/column_selection.hpp"
#include "data/load.hpp"
#include "data/sparse_reader.hpp"
#include "data/validation.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::data {
namespace {

constexpr Index piece_elements = Index{1} << 21;  // read at a time
constexpr Index piece_bytes = Index{64} << 20;

/// Calls visit(positions, rows) for all stored elements in the order of the file.
template <Scalar T, class Visit>
void for_each_piece(const SparseReader<T>& reader, Visit&& visit) {
  std::vector<Index> rows;
  for (Index begin = 0; begin < reader.stored(); begin += piece_elements) {
    const Range positions{begin, std::min(begin + piece_elements, reader.stored())};
    rows.resize(static_cast<std::size_t>(positions.size()));
    reader.read_rows(positions, rows.data());
    visit(positions, rows);
  }
}

/// What is written for an element of X. Throws Error where it may not be.
template <Scalar T>
T settled(const MatrixDescription& matrix, Index row, Index column, T value, bool allow_missing) {
  if (std::isfinite(value)) return value;
  const Flaw flaw = flaw_of(value, false).value_or(Flaw::nan);
  const bool missing = flaw != Flaw::infinity && flaw != Flaw::no_boolean;
  if (missing && allow_missing) return std::numeric_limits<T>::quiet_NaN();
  throw Error(fmt::format(
      "{} holds {} in row {}, column {} of X (counted from 0){}", place_of(matrix),
      flaw == Flaw::infinity ? "an infinite number, or one too large for the type that is written," : name_of(flaw),
      row, column, missing ? "; --allow-missing writes NaN" : ""));
}

/// Consecutive rows and their elements, which come column by column.
template <Scalar T>
class RowGroup {
 public:
  /// bounds: positions of all rows' elements in the whole matrix.
  RowGroup(Range rows, const std::vector<Index>& bounds)
      : rows_(rows),
        next_(bounds.begin() + rows.begin, bounds.begin() + rows.end),
        first_(bounds[static_cast<std::size_t>(rows.begin)]) {
    const auto count = static_cast<std::size_t>(bounds[static_cast<std::size_t>(rows.end)] - first_);
    columns_.resize(count);
    values_.resize(count);
    for (Index row = rows.begin; row < rows.end; ++row)
      lengths_.push_back(bounds[static_cast<std::size_t>(row) + 1] - bounds[static_cast<std::size_t>(row)]);
  }

  bool has(Index row) const { return row >= rows_.begin && row < rows_.end; }
  void add(Index row, Index column, T value) {
    const auto place = static_cast<std::size_t>(next_[static_cast<std::size_t>(row - rows_.begin)]++ - first_);
    columns_[place] = static_cast<std::int32_t>(column);
    values_[place] = value;
  }
  void write(CsrWriter& csr) const { csr.append_rows(lengths_, values_.data(), columns_); }

 private:
  Range rows_;
  std::vector<Index> next_;  // place of each row's next element in the whole matrix
  Index first_;
  std::vector<Index> lengths_;
  std::vector<std::int32_t> columns_;
  std::vector<T> values_;
};

/// Where the elements of CSC lie, and which columns of the file are written.
struct Columns {
  std::vector<Index> bounds;  // of all columns of the file
  ColumnSelection selected;

  /// The column of the element at `position`, by what it is called when it is written (−1: it is not). `column`: of an
  /// element before it, brought up to date.
  Index of(Index position, Index& column) const {
    while (bounds[static_cast<std::size_t>(column) + 1] <= position) ++column;
    return selected.number_of(column);
  }
};

/// Positions of all rows' elements in the matrix that is written.
template <Scalar T>
std::vector<Index> row_bounds(const SparseReader<T>& reader, Index rows_of_file, const Columns& columns) {
  std::vector<Index> bounds(static_cast<std::size_t>(rows_of_file) + 1, 0);
  Index column = 0;
  for_each_piece(reader, [&](Range positions, const std::vector<Index>& rows) {
    for (Index i = 0; i < positions.size(); ++i)
      if (columns.of(positions.begin + i, column) >= 0)
        ++bounds[static_cast<std::size_t>(rows[static_cast<std::size_t>(i)]) + 1];
  });
  std::partial_sum(bounds.begin(), bounds.end(), bounds.begin());
  return bounds;
}

/// Reads the file once and keeps what belongs to the group.
template <Scalar T>
void fill(RowGroup<T>& group, const SparseReader<T>& reader, const Columns& columns, const MatrixDescription& matrix,
          bool allow_missing) {
  std::vector<T> values;
  Index column = 0;
  for_each_piece(reader, [&](Range positions, const std::vector<Index>& rows) {
    if (std::none_of(rows.begin(), rows.end(), [&](Index row) { return group.has(row); })) return;
    values.resize(rows.size());
    reader.read_values(positions, values.data());
    for (Index i = 0; i < positions.size(); ++i) {
      const Index number = columns.of(positions.begin + i, column);
      const Index row = rows[static_cast<std::size_t>(i)];
      if (number < 0 || !group.has(row)) continue;
      group.add(row, number, settled(matrix, row, number, values[static_cast<std::size_t>(i)], allow_missing));
    }
  });
}

template <Scalar T>
Index write_csc(const SparseReader<T>& reader, const MatrixDescription& csc, const SparseWriting& options,
                CsrWriter& csr) {
  Columns columns{std::vector<Index>(static_cast<std::size_t>(csc.shape.columns) + 1),
                  ColumnSelection(options.columns)};
  reader.read_bounds({0, csc.shape.columns}, columns.bounds.data());
  const std::vector<Index> bounds = row_bounds(reader, csc.shape.rows, columns);
  const Index most = options.memory / static_cast<Index>(sizeof(T) + sizeof(std::int32_t));
  for (Index begin = 0; begin < csc.shape.rows;) {
    const Index count = rows_that_fit(bounds.data(), begin, csc.shape.rows, most);
    RowGroup<T> group({begin, begin + count}, bounds);
    fill(group, reader, columns, csc, options.allow_missing);
    group.write(csr);
    begin += count;
  }
  return bounds.back();
}

template <Scalar T>
Index write_csr(const SparseReader<T>& reader, const MatrixDescription& matrix, const SparseWriting& options,
                CsrWriter& csr) {
  const ColumnSelection selected(options.columns);
  std::vector<T> values;
  std::vector<std::int32_t> columns;
  Index written = 0;
  for_each_group(reader, {0, matrix.shape.rows}, piece_elements, [&](Range rows, const Index* bounds) {
    const Range positions{bounds[0], bounds[rows.size()]};
    values.resize(static_cast<std::size_t>(positions.size()));
    columns.resize(static_cast<std::size_t>(positions.size()));
    reader.read_columns(positions, columns.data());
    reader.read_values(positions, values.data());
    std::vector<Index> lengths;
    Index kept = 0;
    for (Index row = 0; row < rows.size(); ++row) {
      const Index first = bounds[row] - bounds[0];
      Index length = bounds[row + 1] - bounds[row];
      if (!selected.all()) length = selected.keep_selected(length, columns.data() + first, values.data() + first);
      for (Index p = 0; p < length; ++p) {
        const std::int32_t column = columns[static_cast<std::size_t>(first + p)];
        const T value = values[static_cast<std::size_t>(first + p)];
        columns[static_cast<std::size_t>(kept + p)] = column;
        values[static_cast<std::size_t>(kept + p)] =
            settled(matrix, rows.begin + row, column, value, options.allow_missing);
      }
      lengths.push_back(length);
      kept += length;
    }
    columns.resize(static_cast<std::size_t>(kept));
    csr.append_rows(lengths, values.data(), columns);
    written += kept;
  });
  return written;
}

}  // namespace

template <Scalar T>
WrittenCsr write_as_csr(const MatrixDescription& sparse, const SparseWriting& options, MatrixFileWriter& out) {
  const hdf5::File file = hdf5::File::open(sparse.file);
  const SparseReader<T> reader(file, sparse, piece_bytes);
  const auto type = data_type_of<T> == DataType::float32 ? hdf5::NumberType::float32 : hdf5::NumberType::float64;
  Shape shape = sparse.shape;
  if (!options.columns.empty()) shape.columns = number_of_columns(options.columns);
  CsrWriter& csr = out.csr("/X", shape, type);
  const bool by_columns = sparse.format == FileFormat::csc;
  return {shape, by_columns ? write_csc(reader, sparse, options, csr) : write_csr(reader, sparse, options, csr)};
}

template WrittenCsr write_as_csr<float>(const MatrixDescription&, const SparseWriting&, MatrixFileWriter&);
template WrittenCsr write_as_csr<double>(const MatrixDescription&, const SparseWriting&, MatrixFileWriter&);

}  // namespace scanmf::data
