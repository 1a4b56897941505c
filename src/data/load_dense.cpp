#include <fmt/format.h>

#include "data/dense_reader.hpp"
#include "data/dense_rows.hpp"
#include "data/load.hpp"
#include "data/memory_source.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::data {
template <Scalar T>
std::unique_ptr<DataSource<T>> load_dense(const Communicator& comm, const MatrixDescription& description, const LoadOptions& options) {
  RowPartition partition = partition_for(comm, StorageKind::dense, description.shape.rows, options.batch_rows);
  Inspection inspection(options.check_sign);
  std::optional<LocalRows<T>> rows;
  comm.agree([&] {
    const hdf5::File file = hdf5::File::open(description.file);
    const hdf5::Dataset dataset = file.dataset(description.path);
    if (dataset.dimensions() != std::vector<Index>{description.shape.rows, description.shape.columns})
      throw Error(fmt::format("{} has changed its shape since it was opened", dataset.place()));
    DenseReader<T> reader(dataset, options.piece_bytes);
    rows.emplace(comm, partition, description.shape.columns);
    for (Index batch = 0; batch < partition.batches(); ++batch) {
      const Range piece = partition.piece(batch, comm.rank());
      if (!piece.empty()) reader.read(piece, rows->piece(batch), 0);
    }
    rows->inspect(inspection);
  });
  const DataSummary summary = conclude(comm, inspection, data_type_of<T>, options.estimator, place_of(description));
  return std::make_unique<DenseMemorySource<T>>(comm, description.shape, std::move(partition), summary, rows->take());
}

template std::unique_ptr<DataSource<float>> load_dense(const Communicator&, const MatrixDescription&, const LoadOptions&);
template std::unique_ptr<DataSource<double>> load_dense(const Communicator&, const MatrixDescription&, const LoadOptions&);

}  // namespace scanmf::data
