#include "scanmf/data/rows_in_memory.hpp"

#include <fmt/format.h>

#include <cstring>
#include <vector>

#include "data/dense_rows.hpp"
#include "data/given_rows.hpp"
#include "data/load.hpp"
#include "data/memory_source.hpp"
#include "data/parallel_parts.hpp"
#include "data/typed_elements.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf {
namespace data {
namespace {

/// Converts a block of elements, `to` being row-major without gaps. Few columns at a time, so that what is read along
/// columns stays in the cache.
template <class From, Scalar T>
void convert_block(const DenseRows& from, Range rows, T* to) {
  constexpr Index columns_at_a_time = 16;
  const auto* const data = static_cast<const std::byte*>(from.data);
  for (Index begin = 0; begin < from.columns; begin += columns_at_a_time) {
    const Index end = std::min(begin + columns_at_a_time, from.columns);
    for (Index i = rows.begin; i < rows.end; ++i) {
      T* const row = to + (i - rows.begin) * from.columns;
      for (Index j = begin; j < end; ++j) {
        From element;
        std::memcpy(&element, data + i * from.row_stride + j * from.column_stride, sizeof element);
        row[j] = static_cast<T>(element);
      }
    }
  }
}

/// Some rows as a view: of the given memory where they lie there in the right way, else of `scratch`.
template <Scalar T>
MatrixView<const T> rows_of(const DenseRows& from, Range rows, std::vector<T>& scratch) {
  const auto address = reinterpret_cast<std::uintptr_t>(from.data) | static_cast<std::uintptr_t>(from.row_stride);
  const bool right_type = from.type == (std::is_same_v<T, float> ? ElementType::float32 : ElementType::float64);
  if (right_type && address % sizeof(T) == 0 && (from.column_stride == sizeof(T) || from.columns == 1)) {
    const Index stride = from.row_stride / static_cast<Index>(sizeof(T));
    return {static_cast<const T*>(from.data) + rows.begin * stride, rows.size(), from.columns, stride};
  }
  scratch.resize(static_cast<std::size_t>(rows.size() * from.columns));
  with_element_type(from.type, [&]<class From>() { convert_block<From>(from, rows, scratch.data()); });
  return {scratch.data(), rows.size(), from.columns};
}

/// Packs the rows that this rank both gives and owns.
template <Scalar T>
void pack_kept(const DenseRows& from, const GivenRows& given, const RowPartition& partition, LocalRows<T>& to) {
  given.for_each_kept(partition, [&](Index batch, Index first, Range rows) {
    const Index tile = partition.tile_rows();
    const Index parts = (rows.size() + tile - 1) / tile;
    const PackedRows<T> piece = to.piece(batch);
    for_all_parts<std::vector<T>>(parts, [&](Index part, std::vector<T>& scratch) {
      const Range some = {rows.begin + part * tile, std::min(rows.end, rows.begin + (part + 1) * tile)};
      piece.put(first + part * tile, 0, rows_of(from, some, scratch));
    });
  });
}

}  // namespace
}  // namespace data

Index size_of(ElementType type) {
  return data::with_element_type(type, []<class Element>() { return static_cast<Index>(sizeof(Element)); });
}

template <Scalar T>
std::unique_ptr<DataSource<T>> source_from_rows(const Communicator& comm, DenseRows local_rows,
                                                const LoadOptions& options) {
  const Index columns = data::agreed_columns(comm, local_rows.rows, local_rows.columns);
  local_rows.columns = columns;
  const data::GivenRows given(comm, local_rows.rows);
  const Shape shape = {given.total(), columns};
  data::check_not_empty(shape, options.estimator, "data in memory");
  RowPartition partition = data::partition_for(comm, StorageKind::dense, shape, options);
  std::optional<data::LocalRows<T>> rows;
  comm.agree([&] {
    rows.emplace(comm, partition, columns);
    data::pack_kept(local_rows, given, partition, *rows);
  });
  std::vector<T> scratch;
  const auto append = [&](std::vector<T>& to, Range some) {
    const MatrixView<const T> view = data::rows_of(local_rows, some, scratch);
    for (Index i = 0; i < view.rows; ++i) to.insert(to.end(), view.row(i), view.row(i) + view.columns);
  };
  const auto put = [&](Index batch, Index row, MatrixView<const T> values) { rows->piece(batch).put(row, 0, values); };
  const Index round = std::max<Index>(1, options.piece_bytes / (columns * static_cast<Index>(sizeof(T))));
  for (Index begin = 0; begin < given.most_of_a_rank(); begin += round)
    given.hand_over<T>(columns, {begin, begin + round}, partition, append, put);
  data::Inspection inspection(options);
  comm.agree([&] { rows->inspect(inspection); });
  const DataSummary summary = data::conclude(comm, inspection, data_type_of<T>, options.estimator, "");
  return std::make_unique<data::DenseMemorySource<T>>(comm, shape, std::move(partition), summary, rows->take());
}

template <Scalar T>
std::unique_ptr<DataSource<T>> source_from_rows(const Communicator& comm, MatrixView<const T> local_rows,
                                                const LoadOptions& options) {
  constexpr auto element = static_cast<Index>(sizeof(T));
  return source_from_rows<T>(
      comm,
      DenseRows{local_rows.data, std::is_same_v<T, float> ? ElementType::float32 : ElementType::float64,
                local_rows.rows, local_rows.columns, local_rows.stride * element, element},
      options);
}

template <Scalar T>
Matrix<T> owned_from_given(const Communicator& comm, MatrixView<const T> given, const RowPartition& partition) {
  given.columns = data::agreed_columns(comm, given.rows, given.columns);
  const data::GivenRows rows(comm, given.rows);
  if (rows.total() != partition.rows())
    throw AgreedError(fmt::format("W has {} rows for {} rows of X", rows.total(), partition.rows()));
  Matrix<T> owned(partition.local_rows(comm.rank()), given.columns);
  const auto put = [&](Index batch, Index row, MatrixView<const T> values) {
    T* to = owned.row(partition.local_begin(batch, comm.rank()) + row);
    for (Index i = 0; i < values.rows; ++i, to += values.columns) std::copy_n(values.row(i), values.columns, to);
  };
  rows.for_each_kept(partition, [&](Index batch, Index row, Range some) { put(batch, row, given.middle_rows(some)); });
  const auto append = [&](std::vector<T>& to, Range some) {
    for (Index i = some.begin; i < some.end; ++i) to.insert(to.end(), given.row(i), given.row(i) + given.columns);
  };
  rows.hand_over<T>(given.columns, {0, rows.most_of_a_rank()}, partition, append, put);
  return owned;
}

template <Scalar T>
Matrix<T> given_from_owned(const Communicator& comm, const Matrix<T>& owned, const RowPartition& partition,
                           Index given_rows) {
  return data::GivenRows(comm, given_rows).hand_back(owned.view(), partition);
}

template std::unique_ptr<DataSource<float>> source_from_rows(const Communicator&, DenseRows, const LoadOptions&);
template std::unique_ptr<DataSource<double>> source_from_rows(const Communicator&, DenseRows, const LoadOptions&);
template std::unique_ptr<DataSource<float>> source_from_rows(const Communicator&, MatrixView<const float>,
                                                             const LoadOptions&);
template std::unique_ptr<DataSource<double>> source_from_rows(const Communicator&, MatrixView<const double>,
                                                              const LoadOptions&);
template Matrix<float> owned_from_given(const Communicator&, MatrixView<const float>, const RowPartition&);
template Matrix<double> owned_from_given(const Communicator&, MatrixView<const double>, const RowPartition&);
template Matrix<float> given_from_owned(const Communicator&, const Matrix<float>&, const RowPartition&, Index);
template Matrix<double> given_from_owned(const Communicator&, const Matrix<double>&, const RowPartition&, Index);

}  // namespace scanmf
