#include "data/csc_to_csr.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "data/sparse_reader.hpp"
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

template <Scalar T>
void refuse_not_finite(const MatrixDescription& matrix, const std::vector<T>& values, bool allow_missing) {
  const bool bad = std::any_of(values.begin(), values.end(),
                               [&](T value) { return std::isinf(value) || (std::isnan(value) && !allow_missing); });
  if (bad)
    throw Error(
        fmt::format("{}:{} holds NaN (--allow-missing writes it), an infinite number, or one too large for the type "
                    "that is written",
                    matrix.file, matrix.path));
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

/// Reads the file once and keeps what belongs to the group.
template <Scalar T>
void fill(RowGroup<T>& group, const SparseReader<T>& reader, const std::vector<Index>& column_bounds,
          const MatrixDescription& matrix, bool allow_missing) {
  std::vector<T> values;
  Index column = 0;
  for_each_piece(reader, [&](Range positions, const std::vector<Index>& rows) {
    if (std::none_of(rows.begin(), rows.end(), [&](Index row) { return group.has(row); })) return;
    values.resize(rows.size());
    reader.read_values(positions, values.data());
    refuse_not_finite(matrix, values, allow_missing);
    for (Index i = 0; i < positions.size(); ++i) {
      while (column_bounds[static_cast<std::size_t>(column) + 1] <= positions.begin + i) ++column;
      const Index row = rows[static_cast<std::size_t>(i)];
      if (group.has(row)) group.add(row, column, values[static_cast<std::size_t>(i)]);
    }
  });
}

template <Scalar T>
void write_csc(const SparseReader<T>& reader, const MatrixDescription& csc, const SparseWriting& options,
               CsrWriter& csr) {
  std::vector<Index> column_bounds(static_cast<std::size_t>(csc.shape.columns) + 1);
  reader.read_bounds({0, csc.shape.columns}, column_bounds.data());
  std::vector<Index> bounds(static_cast<std::size_t>(csc.shape.rows) + 1, 0);
  for_each_piece(reader, [&](Range, const std::vector<Index>& rows) {
    for (const Index row : rows) ++bounds[static_cast<std::size_t>(row) + 1];
  });
  std::partial_sum(bounds.begin(), bounds.end(), bounds.begin());

  const Index most = options.memory / static_cast<Index>(sizeof(T) + sizeof(std::int32_t));
  for (Index begin = 0; begin < csc.shape.rows;) {
    const Index count = rows_that_fit(bounds.data(), begin, csc.shape.rows, most);
    RowGroup<T> group({begin, begin + count}, bounds);
    fill(group, reader, column_bounds, csc, options.allow_missing);
    group.write(csr);
    begin += count;
  }
}

template <Scalar T>
void write_csr(const SparseReader<T>& reader, const MatrixDescription& matrix, bool allow_missing, CsrWriter& csr) {
  std::vector<T> values;
  std::vector<std::int32_t> columns;
  for_each_group(reader, {0, matrix.shape.rows}, piece_elements, [&](Range rows, const Index* bounds) {
    const Range positions{bounds[0], bounds[rows.size()]};
    values.resize(static_cast<std::size_t>(positions.size()));
    columns.resize(static_cast<std::size_t>(positions.size()));
    reader.read_columns(positions, columns.data());
    reader.check_columns(positions, columns.data());
    reader.read_values(positions, values.data());
    refuse_not_finite(matrix, values, allow_missing);
    std::vector<Index> lengths;
    for (Index row = 0; row < rows.size(); ++row) lengths.push_back(bounds[row + 1] - bounds[row]);
    csr.append_rows(lengths, values.data(), columns);
  });
}

}  // namespace

template <Scalar T>
void write_as_csr(const MatrixDescription& sparse, const SparseWriting& options, MatrixFileWriter& out) {
  const hdf5::File file = hdf5::File::open(sparse.file);
  const SparseReader<T> reader(file, sparse, piece_bytes);
  const auto type = data_type_of<T> == DataType::float32 ? hdf5::NumberType::float32 : hdf5::NumberType::float64;
  CsrWriter& csr = out.csr("/X", sparse.shape, type);
  sparse.format == FileFormat::csc ? write_csc(reader, sparse, options, csr)
                                   : write_csr(reader, sparse, options.allow_missing, csr);
}

template void write_as_csr<float>(const MatrixDescription&, const SparseWriting&, MatrixFileWriter&);
template void write_as_csr<double>(const MatrixDescription&, const SparseWriting&, MatrixFileWriter&);

}  // namespace scanmf::data
