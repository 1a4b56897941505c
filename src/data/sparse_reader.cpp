#include "data/sparse_reader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "data/judged_array.hpp"
#include "data/load.hpp"
#include "data/open_array.hpp"
#include "data/parallel_parts.hpp"
#include "data/validation.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/team.hpp"

namespace scanmf::data {
namespace {

/// Elements of a 1-D array, unit by unit on all threads.
template <class E>
void read_elements(const Array& array, Range positions, E* to) {
  if (positions.empty()) return;
  const Index height = array.unit_rows();
  const Index first = positions.begin / height;
  for_all_parts<Scratch<E>>((positions.end - 1) / height + 1 - first, [&](Index i, Scratch<E>& scratch) {
    const Range part = {std::max(positions.begin, (first + i) * height),
                        std::min(positions.end, (first + i + 1) * height)};
    std::copy_n(array.read(part, Range{0, 1}, scratch).data, part.size(), to + (part.begin - positions.begin));
  });
}

template <Scalar T>
struct Element {
  std::int32_t column;
  T value;
};

/// One row; returns how many elements remain.
template <Scalar T>
Index settle_row(Index count, std::int32_t* column, T* value, bool check_sign, const ColumnSelection& selected) {
  if (!selected.all()) count = selected.keep_selected(count, column, value);
  if (!std::is_sorted(column, column + count)) {
    std::vector<Element<T>> elements(static_cast<std::size_t>(count));
    for (Index p = 0; p < count; ++p) elements[static_cast<std::size_t>(p)] = {column[p], value[p]};
    // Stable: duplicates are summed in the order of the file.
    std::stable_sort(elements.begin(), elements.end(),
                     [](const Element<T>& a, const Element<T>& b) { return a.column < b.column; });
    for (Index p = 0; p < count; ++p) {
      column[p] = elements[static_cast<std::size_t>(p)].column;
      value[p] = elements[static_cast<std::size_t>(p)].value;
    }
  }
  Index kept = 0;
  for (Index p = 0; p < count;) {
    const std::int32_t here = column[p];
    T sum = value[p++];
    while (p < count && column[p] == here) {
      if (!flaw_of(sum, check_sign)) sum = flaw_of(value[p], check_sign) ? value[p] : sum + value[p];
      ++p;
    }
    if (sum == T{0}) continue;
    column[kept] = here;
    value[kept++] = sum;
  }
  return kept;
}

}  // namespace

template <Scalar T>
SparseReader<T>::SparseReader(const hdf5::File& file, const MatrixDescription& description, Index piece_bytes)
    : selected_(description.columns) {
  const MatrixDescription x = without_transposition(description);
  shape_ = x.shape_in_file();
  format_ = x.format;
  const auto open = [&](const std::string& path) { return open_array(file.dataset(path), piece_bytes); };
  hdf5::Dataset values = file.dataset(x.parts.values);
  Judgement judgement(x, values.type());
  values_ = judged(open_array(std::move(values), piece_bytes), std::move(judgement));
  indices_ = open(x.parts.indices);
  indptr_ = open(x.parts.indptr);
  if (values_->rows() != x.stored || indices_->rows() != x.stored || indptr_->rows() != slices() + 1)
    throw Error(fmt::format("{} has changed its size since it was opened", place_of(description)));
  if (indptr_->compressed()) indptr_->keep_chunks(2);  // bounds are asked for piece by piece
}

template <Scalar T>
std::vector<std::string> SparseReader<T>::files() const {
  std::vector<std::string> files = values_->facts().files;
  for (const Array* const array : {indices_.get(), indptr_.get()})
    files.insert(files.end(), array->facts().files.begin(), array->facts().files.end());
  return files;
}

template <Scalar T>
void SparseReader<T>::read_bounds(Range slices, Index* bounds) const {
  read_elements(*indptr_, Range{slices.begin, slices.end + 1}, bounds);
  for (Index i = 0; i <= slices.size(); ++i) {
    if (bounds[i] < 0 || bounds[i] > stored())
      throw Error(fmt::format("{} is wrong: element {} is {}, outside 0 … {}", indptr_->facts().place, slices.begin + i,
                              bounds[i], stored()));
    if (i > 0 && bounds[i] < bounds[i - 1])
      throw Error(fmt::format("{} is wrong: it decreases from {} to {} at {} {}", indptr_->facts().place, bounds[i - 1],
                              bounds[i], format_ == FileFormat::csr ? "row" : "column", slices.begin + i - 1));
  }
}

template <Scalar T>
Index SparseReader<T>::position_of(Index slice) const {
  Index position = 0;
  read_elements(*indptr_, Range{slice, slice + 1}, &position);
  return position;
}

template <Scalar T>
void SparseReader<T>::read_columns(Range positions, std::int32_t* columns) const {
  read_elements(*indices_, positions, columns);
  check_columns(positions, columns);
}

template <Scalar T>
void SparseReader<T>::read_values(Range positions, T* values) const {
  read_elements(*values_, positions, values);
}

/// Numbers that do not fit into 32 bits have become the largest or smallest, which are out of range too.
template <Scalar T>
void SparseReader<T>::check_columns(Range positions, const std::int32_t* columns) const {
  const Team team = team_for(positions.size());
  std::vector<Index> wrong(static_cast<std::size_t>(team.size()), positions.size());  // the first of each thread
  team.in_parts(positions.size(), [&](int thread, Range part) {
    const auto is_wrong = [&](std::int32_t column) { return column < 0 || column >= shape_.columns; };
    const std::int32_t* const found = std::find_if(columns + part.begin, columns + part.end, is_wrong);
    if (found != columns + part.end) wrong[static_cast<std::size_t>(thread)] = found - columns;
  });
  const Index first = *std::ranges::min_element(wrong);
  if (first < positions.size()) refuse_index(positions.begin + first);
}

template <Scalar T>
void SparseReader<T>::read_rows(Range positions, Index* rows) const {
  read_elements(*indices_, positions, rows);
  for (Index p = 0; p < positions.size(); ++p)
    if (rows[p] < 0 || rows[p] >= shape_.rows) refuse_index(positions.begin + p);
}

template <Scalar T>
void SparseReader<T>::refuse_index(Index position) const {
  Index index = 0;
  read_elements(*indices_, Range{position, position + 1}, &index);
  const bool by_rows = format_ == FileFormat::csr;
  Range within = {0, slices()};
  while (within.size() > 1) {  // the slice with bounds[slice] <= position < bounds[slice + 1]
    const Index middle = within.begin + within.size() / 2;
    (position_of(middle) <= position ? within.begin : within.end) = middle;
  }
  throw Error(fmt::format("{} is wrong: element {}, in {} {}, names {} {}, but there are {}", indices_->facts().place,
                          position, by_rows ? "row" : "column", within.begin, by_rows ? "column" : "row", index,
                          by_rows ? shape_.columns : shape_.rows));
}

template <Scalar T>
Index settle_rows(Index rows, Index* bounds, std::int32_t* column, T* value, bool check_sign,
                  const ColumnSelection& selected) {
  std::vector<Index> kept(static_cast<std::size_t>(rows));
  constexpr Index at_once = 64;
  team_for(bounds[rows] - bounds[0]).as_they_come((rows + at_once - 1) / at_once, [&](int, Index group) {
    for (Index i = group * at_once; i < std::min(rows, (group + 1) * at_once); ++i)
      kept[static_cast<std::size_t>(i)] =
          settle_row(bounds[i + 1] - bounds[i], column + bounds[i], value + bounds[i], check_sign, selected);
  });
  Index end = rows > 0 ? bounds[0] : 0;
  for (Index i = 0; i < rows; ++i) {
    const Index from = bounds[i];
    const Index count = kept[static_cast<std::size_t>(i)];
    bounds[i] = end;
    if (from != end) {
      std::copy_n(column + from, count, column + end);
      std::copy_n(value + from, count, value + end);
    }
    end += count;
  }
  bounds[rows] = end;
  return end;
}

Index rows_that_fit(const Index* bounds, Index first, Index rows, Index most) {
  const Index* const beyond = std::upper_bound(bounds + first + 1, bounds + rows + 1, bounds[first] + most);
  return std::max<Index>(1, beyond - (bounds + first + 1));
}

TileNumbers sparse_tiles(const Shape& shape, const LoadOptions& options) {
  const Index length = options.batch_rows > 0 ? std::min(options.batch_rows, shape.rows) : shape.rows;
  return {shape.rows, length, tiling_for(options.sparse_tiles, {length, shape.columns}, 0, options.strata).tile_rows};
}

template <Scalar T>
std::vector<Index> csr_tile_weights(const Communicator& comm, const SparseReader<T>& reader, const TileNumbers& tiles) {
  constexpr Index piece = Index{1} << 20;  // positions read at a time
  std::vector<Index> weights(static_cast<std::size_t>(tiles.count()), 0);
  const std::vector<Index> shares = slice_offsets(tiles.count(), comm.size());
  const Range own = {tiles.first_row(shares[static_cast<std::size_t>(comm.rank())]),
                     tiles.first_row(shares[static_cast<std::size_t>(comm.rank()) + 1])};
  comm.agree([&] {
    std::vector<Index> bounds(static_cast<std::size_t>(std::min(piece, own.size()) + 1));
    for (Index begin = own.begin; begin < own.end; begin += piece) {
      const Range rows = {begin, std::min(own.end, begin + piece)};
      reader.read_bounds(rows, bounds.data());
      for (Index i = 0; i < rows.size(); ++i) {
        const auto at = static_cast<std::size_t>(i);
        weights[static_cast<std::size_t>(tiles.of_row(begin + i))] += bounds[at + 1] - bounds[at] + 1;
      }
    }
  });
  comm.allgather(std::span<Index>(weights), shares);
  return weights;
}

template class SparseReader<float>;
template class SparseReader<double>;
template Index settle_rows(Index, Index*, std::int32_t*, float*, bool, const ColumnSelection&);
template Index settle_rows(Index, Index*, std::int32_t*, double*, bool, const ColumnSelection&);
template std::vector<Index> csr_tile_weights(const Communicator&, const SparseReader<float>&, const TileNumbers&);
template std::vector<Index> csr_tile_weights(const Communicator&, const SparseReader<double>&, const TileNumbers&);

}  // namespace scanmf::data
