#include "data/dense_rows.hpp"
#include "data/file_watch.hpp"
#include "data/load.hpp"
#include "data/memory_source.hpp"
#include "data/sparse_reader.hpp"
#include "data/validation.hpp"

namespace scanmf::data {
namespace {

/// Elements in the file of the rows that this rank owns.
template <Scalar T>
Index stored_elements(const SparseReader<T>& reader, const RowPartition& partition, int rank) {
  Index elements = 0;
  for (Index batch = 0; batch < partition.batches(); ++batch) {
    const Range piece = partition.piece(batch, rank);
    if (!piece.empty()) elements += reader.position_of(piece.end) - reader.position_of(piece.begin);
  }
  return elements;
}

/// Reads this rank's rows straight to their place, group by group; what a group loses by being settled is filled by the
/// next one.
template <Scalar T>
CsrRows<T> read_own_rows(const SparseReader<T>& reader, const RowPartition& partition, int rank,
                         const LoadOptions& options, Inspection& inspection) {
  const Index most_elements = options.piece_bytes / static_cast<Index>(sizeof(T) + sizeof(std::int32_t));
  const Index stored = stored_elements(reader, partition, rank);
  CsrRows<T> own{Buffer<Index>(partition.local_rows(rank) + 1, 0), Buffer<std::int32_t>(stored), Buffer<T>(stored)};
  Index local_row = 0;
  Index filled = 0;
  for (Index batch = 0; batch < partition.batches(); ++batch) {
    for_each_group(reader, partition.piece(batch, rank), most_elements, [&](Range rows, const Index* positions) {
      Index* const bounds = own.row_begin.data() + local_row;
      for (Index i = 0; i <= rows.size(); ++i) bounds[i] = filled + positions[i] - positions[0];
      const Range elements = {positions[0], positions[rows.size()]};
      reader.read_columns(elements, own.column.data() + filled);
      reader.read_values(elements, own.value.data() + filled);
      filled =
          settle_rows(rows.size(), bounds, own.column.data(), own.value.data(), options.check_sign, reader.selected());
      inspection.add(CsrBlock<T>{rows.size(), 0, partition.tile_rows(), bounds, own.column.data(), own.value.data()},
                     rows.begin);
      local_row += rows.size();
    });
  }
  return own;
}

/// The same, packed as dense rows group by group.
template <Scalar T>
void read_own_rows_dense(const SparseReader<T>& reader, const RowPartition& partition, int rank,
                         const LoadOptions& options, Inspection& inspection, LocalRows<T>& to) {
  const Index most_elements = options.piece_bytes / static_cast<Index>(sizeof(T) + sizeof(std::int32_t));
  std::vector<Index> bounds;
  std::vector<std::int32_t> columns;
  std::vector<T> values;
  for (Index batch = 0; batch < partition.batches(); ++batch) {
    const Range piece = partition.piece(batch, rank);
    for_each_group(reader, piece, most_elements, [&](Range rows, const Index* positions) {
      const Range elements = {positions[0], positions[rows.size()]};
      bounds.assign(positions, positions + rows.size() + 1);
      for (Index& bound : bounds) bound -= elements.begin;
      columns.resize(static_cast<std::size_t>(elements.size()));
      values.resize(static_cast<std::size_t>(elements.size()));
      reader.read_columns(elements, columns.data());
      reader.read_values(elements, values.data());
      settle_rows(rows.size(), bounds.data(), columns.data(), values.data(), options.check_sign, reader.selected());
      const CsrBlock<T> block{rows.size(), 0, partition.tile_rows(), bounds.data(), columns.data(), values.data()};
      inspection.add(block, rows.begin);
      to.piece(batch).put_sparse(rows.begin - piece.begin, block);
    });
  }
}

}  // namespace

template <Scalar T>
std::unique_ptr<DataSource<T>> load_csr(const Communicator& comm, const MatrixDescription& description,
                                        const LoadOptions& options, FileWatch& watch) {
  std::optional<OpenSparse<T>> x;
  comm.agree([&] {
    x.emplace(description, options.piece_bytes);
    watch.add(x->reader.files());
  });
  Inspection inspection(options);
  if (held_dense(description, options)) {
    RowPartition partition = partition_for(comm, StorageKind::dense, description.shape, options);
    std::optional<LocalRows<T>> rows;
    comm.agree([&] {
      rows.emplace(comm, partition, description.shape.columns);
      read_own_rows_dense(x->reader, partition, comm.rank(), options, inspection, *rows);
      watch.check();
    });
    const DataSummary summary = conclude(comm, inspection, data_type_of<T>, options.estimator, place_of(description));
    return std::make_unique<DenseMemorySource<T>>(comm, description.shape, std::move(partition), summary, rows->take());
  }
  const std::vector<Index> weights = csr_tile_weights(comm, x->reader, sparse_tiles(description.shape, options));
  RowPartition partition = partition_for(comm, options.sparse_tiles, description.shape, options, weights);
  CsrRows<T> rows;
  comm.agree([&] {
    rows = read_own_rows(x->reader, partition, comm.rank(), options, inspection);
    watch.check();
  });
  const DataSummary summary = conclude(comm, inspection, data_type_of<T>, options.estimator, place_of(description));
  return std::make_unique<CsrMemorySource<T>>(comm, description.shape, std::move(partition), summary, std::move(rows));
}

template std::unique_ptr<DataSource<float>> load_csr(const Communicator&, const MatrixDescription&, const LoadOptions&,
                                                     FileWatch&);
template std::unique_ptr<DataSource<double>> load_csr(const Communicator&, const MatrixDescription&, const LoadOptions&,
                                                      FileWatch&);

}  // namespace scanmf::data
