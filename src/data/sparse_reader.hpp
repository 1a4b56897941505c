#pragma once

#include <vector>

#include "data/array.hpp"
#include "data/column_selection.hpp"
#include "data/memory_source.hpp"
#include "io/hdf5.hpp"
#include "scanmf/data/matrix_file.hpp"

namespace scanmf::data {

/// The three arrays of a sparse matrix in a file, read in parts by all threads, and checked. Local. "Slices" are the
/// rows of CSR, the columns of CSC.
template <Scalar T>
class SparseReader {
 public:
  /// piece_bytes: as of open_array.
  SparseReader(const hdf5::File& file, const MatrixDescription& description, Index piece_bytes);

  Index stored() const { return values_->rows(); }

  /// indptr of the slices [slices.begin, slices.end], the end included: slices.size() + 1 positions, which do not
  /// decrease.
  void read_bounds(Range slices, Index* bounds) const;
  /// One element of indptr, unchecked against its neighbours.
  Index position_of(Index slice) const;

  /// Column numbers and values of CSR at these positions; 0 <= column < columns.
  void read_columns(Range positions, std::int32_t* columns) const;
  /// Row numbers of CSC at these positions; 0 <= row < rows.
  void read_rows(Range positions, Index* rows) const;
  void read_values(Range positions, T* values) const;
  /// Throws when one of the column numbers that were read at these positions is out of range.
  void check_columns(Range positions, const std::int32_t* columns) const;

  /// Keeps some inflated chunks of each array, those that were used last.
  void keep_chunks(Index of_values, Index of_indices) {
    if (values_->compressed()) values_->keep_chunks(of_values);
    if (indices_->compressed()) indices_->keep_chunks(of_indices);
  }
  const Array& values() const { return *values_; }
  const Array& indices() const { return *indices_; }
  /// Which columns of CSR are X's: the others are still among what is read.
  const ColumnSelection& selected() const { return selected_; }
  /// In which elements lie.
  std::vector<std::string> files() const;

 private:
  [[noreturn]] void refuse_index(Index position) const;

  Index slices() const { return format_ == FileFormat::csr ? shape_.rows : shape_.columns; }

  Shape shape_;  // of the matrix in the file
  FileFormat format_ = FileFormat::csr;
  ColumnSelection selected_;
  std::unique_ptr<Array> values_;
  std::unique_ptr<Array> indices_;
  std::unique_ptr<Array> indptr_;
};

/// A sparse matrix whose file is open. Local.
template <Scalar T>
struct OpenSparse {
  OpenSparse(const MatrixDescription& description, Index piece_bytes)
      : file(hdf5::File::open(description.file)), reader(file, description, piece_bytes) {}
  hdf5::File file;
  SparseReader<T> reader;
};

/// Brings compressed rows into the form of CsrTile in place: columns ascend and occur once (duplicates are summed),
/// zeros are dropped. bounds: rows + 1 positions relative to `column` and `value`, ascending from bounds[0]; afterwards
/// those of what remains, bounds[0] unchanged. A value that must not be there is kept, so that it will be found: NaN,
/// infinity and, with check_sign, negative ones. selected: elements of other columns are dropped first. Threads share
/// the work. Returns the end of what remains, bounds[rows].
template <Scalar T>
Index settle_rows(Index rows, Index* bounds, std::int32_t* column, T* value, bool check_sign,
                  const ColumnSelection& selected = {});

/// Number of rows from `first` on, at least one, whose elements do not exceed `most`.
Index rows_that_fit(const Index* bounds, Index first, Index rows, Index most);

/// Calls visit(rows, positions) for consecutive groups of `rows` that hold at most `most` elements each (or are one
/// row); positions: the rows' bounds.
template <Scalar T, class F>
void for_each_group(const SparseReader<T>& reader, Range rows, Index most, F&& visit) {
  constexpr Index bounds_at_a_time = Index{1} << 20;
  std::vector<Index> bounds;
  for (Index begin = rows.begin; begin < rows.end; begin += bounds_at_a_time) {
    const Range part = {begin, std::min(rows.end, begin + bounds_at_a_time)};
    bounds.resize(static_cast<std::size_t>(part.size() + 1));
    reader.read_bounds(part, bounds.data());
    Index count = 0;
    for (Index first = 0; first < part.size(); first += count) {
      count = rows_that_fit(bounds.data(), first, part.size(), most);
      visit(Range{begin + first, begin + first + count}, bounds.data() + first);
    }
  }
}

/// Tiles of all batches of a matrix, numbered throughout.
struct TileNumbers {
  Index rows;
  Index batch_rows;
  Index tile_rows;

  Index tiles_of_batch() const { return (batch_rows + tile_rows - 1) / tile_rows; }
  Index of_row(Index row) const { return row / batch_rows * tiles_of_batch() + row % batch_rows / tile_rows; }
  Index count() const { return rows == 0 ? 0 : of_row(rows - 1) + 1; }
  Index first_row(Index tile) const {
    return std::min(rows, tile / tiles_of_batch() * batch_rows + tile % tiles_of_batch() * tile_rows);
  }
};

/// The tiles that partition_for() will make of sparse rows.
TileNumbers sparse_tiles(const Shape& shape, const LoadOptions& options);

/// Collective. The cost of each tile of a CSR file: its stored elements, and one for each row.
template <Scalar T>
std::vector<Index> csr_tile_weights(const Communicator& comm, const SparseReader<T>& reader, const TileNumbers& tiles);

}  // namespace scanmf::data
