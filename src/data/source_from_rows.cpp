#include <fmt/format.h>

#include "data/dense_rows.hpp"
#include "data/load.hpp"
#include "data/memory_source.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf {
namespace {

/// One round: the rows [sent.begin, sent.end) of each rank go to the ranks that own them.
/// first_rows: number of each rank's first row in X.
template <Scalar T>
void exchange_rows(const Communicator& comm, MatrixView<const T> local, const std::vector<Index>& first_rows, Range sent,
                   const RowPartition& partition, data::LocalRows<T>& to) {
  // Calls visit(batch, rows of X) for the rows of `from`'s round that `owner` owns.
  const auto for_each_shared = [&](int from, int owner, auto&& visit) {
    const auto index = static_cast<std::size_t>(from);
    const Range given = {std::min(first_rows[index] + sent.begin, first_rows[index + 1]),
                         std::min(first_rows[index] + sent.end, first_rows[index + 1])};
    if (given.empty()) return;
    for (Index batch = given.begin / partition.batch_rows(); batch <= (given.end - 1) / partition.batch_rows(); ++batch) {
      const Range piece = partition.piece(batch, owner);
      const Range shared = {std::max(piece.begin, given.begin), std::min(piece.end, given.end)};
      if (!shared.empty()) visit(batch, shared);
    }
  };
  std::vector<std::vector<T>> outgoing(static_cast<std::size_t>(comm.size()));
  for (int owner = 0; owner < comm.size(); ++owner) {
    auto& rows = outgoing[static_cast<std::size_t>(owner)];
    for_each_shared(comm.rank(), owner, [&](Index, Range shared) {
      for (Index i = shared.begin; i < shared.end; ++i) {
        const T* const row = local.row(i - first_rows[static_cast<std::size_t>(comm.rank())]);
        rows.insert(rows.end(), row, row + local.columns);
      }
    });
  }
  const std::vector<std::vector<T>> incoming = comm.exchange(outgoing);
  for (int from = 0; from < comm.size(); ++from) {
    const T* rows = incoming[static_cast<std::size_t>(from)].data();
    for_each_shared(from, comm.rank(), [&](Index batch, Range shared) {
      to.piece(batch).put(shared.begin - partition.piece(batch, comm.rank()).begin, 0, MatrixView<const T>(rows, shared.size(), local.columns));
      rows += shared.size() * local.columns;
    });
  }
}

}  // namespace

template <Scalar T>
std::unique_ptr<DataSource<T>> source_from_rows(const Communicator& comm, MatrixView<const T> local_rows, const LoadOptions& options) {
  const Index columns = comm.max(local_rows.columns);
  comm.agree([&] {
    if (local_rows.columns != columns)
      throw Error(fmt::format("rank {} has rows of {} columns, others of {}", comm.rank(), local_rows.columns, columns));
  });
  std::vector<Index> first_rows(1, 0);
  Index longest = 0;
  for (const Index count : comm.allgather(local_rows.rows)) {
    first_rows.push_back(first_rows.back() + count);
    longest = std::max(longest, count);
  }
  const Shape shape = {first_rows.back(), columns};
  data::check_not_empty(shape, options.estimator, "data in memory");
  RowPartition partition = data::partition_for(comm, StorageKind::dense, shape.rows, options.batch_rows);
  std::optional<data::LocalRows<T>> rows;
  comm.agree([&] { rows.emplace(comm, partition, columns); });
  const Index round = std::max<Index>(1, options.piece_bytes / (columns * static_cast<Index>(sizeof(T))));
  for (Index begin = 0; begin < longest; begin += round) exchange_rows(comm, local_rows, first_rows, Range{begin, begin + round}, partition, *rows);
  data::Inspection inspection(options.check_sign);
  comm.agree([&] { rows->inspect(inspection); });
  const DataSummary summary = data::conclude(comm, inspection, data_type_of<T>, options.estimator, "");
  return std::make_unique<data::DenseMemorySource<T>>(comm, shape, std::move(partition), summary, rows->take());
}

template std::unique_ptr<DataSource<float>> source_from_rows(const Communicator&, MatrixView<const float>, const LoadOptions&);
template std::unique_ptr<DataSource<double>> source_from_rows(const Communicator&, MatrixView<const double>, const LoadOptions&);

}  // namespace scanmf
