#include "data/csc_to_csr.hpp"

#include <algorithm>
#include <numeric>

#include "data/sparse_reader.hpp"

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

/// Consecutive rows and their elements, which come column by column.
template <Scalar T>
class RowGroup {
 public:
  /// bounds: positions of all rows' elements in the whole matrix.
  RowGroup(Range rows, const std::vector<Index>& bounds)
      : rows_(rows), next_(bounds.begin() + rows.begin, bounds.begin() + rows.end), first_(bounds[static_cast<std::size_t>(rows.begin)]) {
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
void fill(RowGroup<T>& group, const SparseReader<T>& reader, const std::vector<Index>& column_bounds) {
  std::vector<T> values;
  Index column = 0;
  for_each_piece(reader, [&](Range positions, const std::vector<Index>& rows) {
    if (std::none_of(rows.begin(), rows.end(), [&](Index row) { return group.has(row); })) return;
    values.resize(rows.size());
    reader.read_values(positions, values.data());
    for (Index i = 0; i < positions.size(); ++i) {
      while (column_bounds[static_cast<std::size_t>(column) + 1] <= positions.begin + i) ++column;
      const Index row = rows[static_cast<std::size_t>(i)];
      if (group.has(row)) group.add(row, column, values[static_cast<std::size_t>(i)]);
    }
  });
}

}  // namespace

template <Scalar T>
void write_csc_as_csr(const MatrixDescription& csc, Index memory, MatrixFileWriter& out) {
  const hdf5::File file = hdf5::File::open(csc.file);
  const SparseReader<T> reader(file, csc, piece_bytes);
  std::vector<Index> column_bounds(static_cast<std::size_t>(csc.shape.columns) + 1);
  reader.read_bounds({0, csc.shape.columns}, column_bounds.data());
  std::vector<Index> bounds(static_cast<std::size_t>(csc.shape.rows) + 1, 0);
  for_each_piece(reader, [&](Range, const std::vector<Index>& rows) {
    for (const Index row : rows) ++bounds[static_cast<std::size_t>(row) + 1];
  });
  std::partial_sum(bounds.begin(), bounds.end(), bounds.begin());

  CsrWriter& csr = out.csr("/X", csc.shape, data_type_of<T> == DataType::float32 ? hdf5::NumberType::float32 : hdf5::NumberType::float64);
  const Index most = memory / static_cast<Index>(sizeof(T) + sizeof(std::int32_t));
  for (Index begin = 0; begin < csc.shape.rows;) {
    const Index count = rows_that_fit(bounds.data(), begin, csc.shape.rows, most);
    RowGroup<T> group({begin, begin + count}, bounds);
    fill(group, reader, column_bounds);
    group.write(csr);
    begin += count;
  }
  out.names(csc.row_names, csc.feature_names);
}

template void write_csc_as_csr<float>(const MatrixDescription&, Index, MatrixFileWriter&);
template void write_csc_as_csr<double>(const MatrixDescription&, Index, MatrixFileWriter&);

}  // namespace scanmf::data
