#include "data/csr_source.hpp"

#include "data/dense_rows.hpp"
#include "data/sparse_reader.hpp"

namespace scanmf::data {

template <Scalar T>
std::unique_ptr<DataSource<T>> source_of_csr(const Communicator& comm, const Shape& shape, RowPartition partition,
                                             CsrRows<T> rows, bool dense, Inspection& inspection,
                                             const LoadOptions& options, const std::string& place) {
  std::optional<LocalRows<T>> packed;
  comm.agree([&] {
    settle_rows(partition.local_rows(comm.rank()), rows.row_begin.data(), rows.column.data(), rows.value.data(),
                options.check_sign);
    if (dense) packed.emplace(comm, partition, shape.columns);
    for (Index batch = 0; batch < partition.batches(); ++batch) {
      const Range piece = partition.piece(batch, comm.rank());
      const Index* const bounds = rows.row_begin.data() + partition.local_begin(batch, comm.rank());
      const CsrBlock<T> block{piece.size(), shape.columns,      partition.tile_rows(),
                              bounds,       rows.column.data(), rows.value.data()};
      inspection.add(block, piece.begin);
      if (dense && !piece.empty()) packed->piece(batch).put_sparse(0, block);
    }
  });
  const DataSummary summary = conclude(comm, inspection, data_type_of<T>, options.estimator, place);
  if (dense) return std::make_unique<DenseMemorySource<T>>(comm, shape, std::move(partition), summary, packed->take());
  return std::make_unique<CsrMemorySource<T>>(comm, shape, std::move(partition), summary, std::move(rows));
}

template std::unique_ptr<DataSource<float>> source_of_csr(const Communicator&, const Shape&, RowPartition,
                                                          CsrRows<float>, bool, Inspection&, const LoadOptions&,
                                                          const std::string&);
template std::unique_ptr<DataSource<double>> source_of_csr(const Communicator&, const Shape&, RowPartition,
                                                           CsrRows<double>, bool, Inspection&, const LoadOptions&,
                                                           const std::string&);

}  // namespace scanmf::data
