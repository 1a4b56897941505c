#include <fmt/format.h>

#include "data/dense_rows.hpp"
#include "data/given_rows.hpp"
#include "data/load.hpp"
#include "data/memory_source.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf {

template <Scalar T>
std::unique_ptr<DataSource<T>> source_from_rows(const Communicator& comm, MatrixView<const T> local_rows, const LoadOptions& options) {
  const Index columns = comm.max(local_rows.columns);
  comm.agree([&] {
    if (local_rows.columns != columns && local_rows.rows > 0)
      throw Error(fmt::format("rank {} has rows of {} columns, others of {}", comm.rank(), local_rows.columns, columns));
  });
  local_rows.columns = columns;
  const data::GivenRows given(comm, local_rows.rows);
  const Shape shape = {given.total(), columns};
  data::check_not_empty(shape, options.estimator, "data in memory");
  RowPartition partition = data::partition_for(comm, StorageKind::dense, shape.rows, options.batch_rows);
  std::optional<data::LocalRows<T>> rows;
  comm.agree([&] { rows.emplace(comm, partition, columns); });
  const Index round = std::max<Index>(1, options.piece_bytes / (columns * static_cast<Index>(sizeof(T))));
  for (Index begin = 0; begin < given.most_of_a_rank(); begin += round)
    given.hand_over(local_rows, {begin, begin + round}, partition,
                    [&](Index batch, Index row, MatrixView<const T> values) { rows->piece(batch).put(row, 0, values); });
  data::Inspection inspection(options.check_sign);
  comm.agree([&] { rows->inspect(inspection); });
  const DataSummary summary = data::conclude(comm, inspection, data_type_of<T>, options.estimator, "");
  return std::make_unique<data::DenseMemorySource<T>>(comm, shape, std::move(partition), summary, rows->take());
}

template <Scalar T>
Matrix<T> owned_from_given(const Communicator& comm, MatrixView<const T> given, const RowPartition& partition) {
  const Index columns = comm.max(given.columns);
  const data::GivenRows rows(comm, given.rows);
  comm.agree([&] {
    if (given.columns != columns && given.rows > 0)
      throw Error(fmt::format("rank {} has rows of {} columns, others of {}", comm.rank(), given.columns, columns));
    if (rows.total() != partition.rows()) throw Error(fmt::format("W has {} rows for {} rows of X", rows.total(), partition.rows()));
  });
  given.columns = columns;
  Matrix<T> owned(partition.local_rows(comm.rank()), columns);
  rows.hand_over(given, {0, rows.most_of_a_rank()}, partition, [&](Index batch, Index row, MatrixView<const T> values) {
    std::copy_n(values.data, values.rows * columns, owned.row(partition.local_begin(batch, comm.rank()) + row));
  });
  return owned;
}

template <Scalar T>
Matrix<T> given_from_owned(const Communicator& comm, const Matrix<T>& owned, const RowPartition& partition, Index given_rows) {
  return data::GivenRows(comm, given_rows).hand_back(owned.view(), partition);
}

template std::unique_ptr<DataSource<float>> source_from_rows(const Communicator&, MatrixView<const float>, const LoadOptions&);
template std::unique_ptr<DataSource<double>> source_from_rows(const Communicator&, MatrixView<const double>, const LoadOptions&);
template Matrix<float> owned_from_given(const Communicator&, MatrixView<const float>, const RowPartition&);
template Matrix<double> owned_from_given(const Communicator&, MatrixView<const double>, const RowPartition&);
template Matrix<float> given_from_owned(const Communicator&, const Matrix<float>&, const RowPartition&, Index);
template Matrix<double> given_from_owned(const Communicator&, const Matrix<double>&, const RowPartition&, Index);

}  // namespace scanmf
