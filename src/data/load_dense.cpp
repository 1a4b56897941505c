#include "data/dense_rows.hpp"
#include "data/file_watch.hpp"
#include "data/load.hpp"
#include "data/memory_source.hpp"
#include "data/open_array.hpp"
#include "data/parallel_parts.hpp"

namespace scanmf::data {
namespace {

struct Rectangle {
  Range rows;
  Range columns;
};

/// What one thread reads at a time. Chunks are read whole, so that one that several batches share is inflated once; all
/// else is cut at the rows of this rank.
std::vector<Rectangle> parts_of(const Array& array, const RowPartition& partition, int rank) {
  std::vector<Rectangle> parts;
  const Index height = array.unit_rows();
  Index last_band = -1;
  for (Index batch = 0; batch < partition.batches(); ++batch) {
    const Range piece = partition.piece(batch, rank);
    Range rows = {piece.begin, piece.begin};
    for (; rows.begin < piece.end; rows.begin = rows.end) {
      const Index band = rows.begin / height;
      rows.end = std::min(piece.end, (band + 1) * height);
      if (array.facts().whole_units && band == last_band) continue;
      last_band = band;
      const Range all =
          array.facts().whole_units ? Range{band * height, std::min(array.rows(), (band + 1) * height)} : rows;
      for (Index column = 0; column < array.columns(); column += array.unit_columns())
        parts.push_back({all, {column, std::min(array.columns(), column + array.unit_columns())}});
    }
  }
  return parts;
}

template <Scalar T>
void read_rows(const Array& array, const RowPartition& partition, int rank, LocalRows<T>& to) {
  const std::vector<Rectangle> parts = parts_of(array, partition, rank);
  for_all_parts<Scratch<T>>(static_cast<Index>(parts.size()), [&](Index i, Scratch<T>& scratch) {
    const Rectangle& part = parts[static_cast<std::size_t>(i)];
    const MatrixView<const T> view = array.read(part.rows, part.columns, scratch);
    for (Index batch = part.rows.begin / partition.batch_rows(); batch <= (part.rows.end - 1) / partition.batch_rows();
         ++batch) {
      const Range piece = partition.piece(batch, rank);
      const Range shared = {std::max(piece.begin, part.rows.begin), std::min(piece.end, part.rows.end)};
      if (shared.empty()) continue;
      to.piece(batch).put(shared.begin - piece.begin, part.columns.begin,
                          view.middle_rows({shared.begin - part.rows.begin, shared.end - part.rows.begin}));
    }
  });
}

}  // namespace

template <Scalar T>
std::unique_ptr<DataSource<T>> load_dense(const Communicator& comm, const MatrixDescription& description,
                                          const LoadOptions& options, FileWatch& watch) {
  RowPartition partition = partition_for(comm, StorageKind::dense, description.shape, options);
  Inspection inspection(options);
  std::optional<LocalRows<T>> rows;
  comm.agree([&] {
    const std::unique_ptr<Array> array = open_matrix_array(description, options.piece_bytes);
    watch.add(array->facts().files);
    rows.emplace(comm, partition, description.shape.columns);
    read_rows(*array, partition, comm.rank(), *rows);
    watch.check();
    rows->inspect(inspection);
  });
  const DataSummary summary = conclude(comm, inspection, data_type_of<T>, options.estimator, place_of(description));
  return std::make_unique<DenseMemorySource<T>>(comm, description.shape, std::move(partition), summary, rows->take());
}

template std::unique_ptr<DataSource<float>> load_dense(const Communicator&, const MatrixDescription&,
                                                       const LoadOptions&, FileWatch&);
template std::unique_ptr<DataSource<double>> load_dense(const Communicator&, const MatrixDescription&,
                                                        const LoadOptions&, FileWatch&);

}  // namespace scanmf::data
