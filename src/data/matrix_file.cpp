#include "scanmf/data/matrix_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "core/checked.hpp"
#include "data/file_watch.hpp"
#include "data/load.hpp"
#include "data/locate.hpp"
#include "data/npy.hpp"
#include "io/dataset_storage.hpp"
#include "io/hdf5.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf {

void data::check_not_empty(const Shape& shape, const std::string& estimator, const std::string& place) {
  const auto refuse = [&](const char* what) {
    throw Error(fmt::format("Found array with 0 {}(s) (shape=({}, {})) while a minimum of 1 is required by {}. ({})",
                            what, shape.rows, shape.columns, estimator, place));
  };
  if (shape.rows == 0) refuse("sample");
  if (shape.columns == 0) refuse("feature");
}

MatrixDescription data::without_transposition(const MatrixDescription& description) {
  MatrixDescription x = description;
  if (x.is_sparse() && x.transposed) {
    x.format = x.format == FileFormat::csr ? FileFormat::csc : FileFormat::csr;
    x.transposed = false;
  }
  if (!x.columns.empty() && (x.format != FileFormat::csr || description.transposed))
    throw Error(fmt::format(
        "features of one type can be taken, or some left out, of matrices that are stored by rows (CSR) "
        "only, which {} is "
        "not; write them first: scanmf convert {} --feature-type NAME -o OUT.h5 (or --exclude-features FILE)",
        place_of(description), place_of(description)));
  return x;
}

namespace {

hdf5::Dataset open_matrix(const hdf5::File& file, const std::string& path) {
  hdf5::Dataset dataset = file.dataset(path);
  if (!dataset.type().is_number())
    throw Error(fmt::format("{} holds {}, not numbers", dataset.place(), dataset.type().name));
  if (dataset.dimensions().size() != 2)
    throw Error(fmt::format("Expected 2D array, got {}D array instead: {} has shape ({})", dataset.dimensions().size(),
                            dataset.place(), fmt::join(dataset.dimensions(), ", ")));
  if (const auto reason = hdf5::what_hinders_reading(dataset)) throw Error(*reason);
  if (!checked_product({dataset.dimensions()[0], dataset.dimensions()[1], Index{sizeof(double)}}))
    throw Error(fmt::format("{} declares {} x {} elements, which is more than any memory holds", dataset.place(),
                            dataset.dimensions()[0], dataset.dimensions()[1]));
  return dataset;
}

template <Scalar T>
std::unique_ptr<DataSource<T>> load_as_stored(const Communicator& comm, const MatrixDescription& x,
                                              const LoadOptions& options, data::FileWatch& watch) {
  if (x.format == FileFormat::csr) return data::load_csr<T>(comm, x, options, watch);
  if (x.format == FileFormat::csc) return data::load_csc<T>(comm, x, options, watch);
  return x.transposed ? data::load_transposed<T>(comm, x, options, watch)
                      : data::load_dense<T>(comm, x, options, watch);
}

}  // namespace

template <Scalar T>
std::unique_ptr<DataSource<T>> load_matrix(const Communicator& comm, const MatrixDescription& description,
                                           const LoadOptions& options) {
  MatrixDescription x;
  std::optional<data::FileWatch> watch;
  comm.agree([&] {
    x = data::without_transposition(description);
    watch.emplace(x);
  });
  try {
    return load_as_stored<T>(comm, x, options, *watch);
  } catch (const AgreedError&) {
    comm.agree([&] { watch->check(); });  // that a file was changed tells more than what was wrong with it then
    throw;
  }
}

template <Scalar T>
Matrix<T> read_replicated_matrix(const Communicator& comm, const std::string& file, const std::string& path) {
  Matrix<T> matrix;
  std::array<Index, 2> shape{};
  comm.agree([&] {
    if (!comm.is_root()) return;
    const hdf5::File opened = hdf5::File::open(file);
    const hdf5::Dataset dataset = open_matrix(opened, path);
    shape = {dataset.dimensions()[0], dataset.dimensions()[1]};
    matrix = Matrix<T>(shape[0], shape[1]);
    dataset.read_rows(Range{0, shape[0]}, matrix.data());
  });
  comm.broadcast(std::span<Index>(shape));
  comm.agree([&] {
    if (!comm.is_root()) matrix = Matrix<T>(shape[0], shape[1]);
  });
  comm.broadcast(matrix.span());
  return matrix;
}

template <Scalar T>
Matrix<T> read_local_rows(const Communicator& comm, const std::string& file, const std::string& path,
                          const RowPartition& partition) {
  Matrix<T> rows;
  comm.agree([&] {
    const hdf5::File opened = hdf5::File::open(file);
    const hdf5::Dataset dataset = open_matrix(opened, path);
    if (dataset.rows() != partition.rows())
      throw Error(fmt::format("{} has {} rows, X has {}: they must be equal", dataset.place(), dataset.rows(),
                              partition.rows()));
    rows = Matrix<T>(partition.local_rows(comm.rank()), dataset.dimensions()[1]);
    for (Index batch = 0; batch < partition.batches(); ++batch) {
      const Range piece = partition.piece(batch, comm.rank());
      if (!piece.empty()) dataset.read_rows(piece, rows.row(partition.local_begin(batch, comm.rank())));
    }
  });
  return rows;
}

std::optional<DatasetInfo> dataset_info(const Communicator& comm, const std::string& file, const std::string& path) {
  std::vector<Index> dimensions;
  std::array<Index, 3> facts{};  // exists, number of dimensions, data type
  comm.agree([&] {
    if (!comm.is_root()) return;
    if (data::is_npy(file)) return;
    const hdf5::File opened = data::open_input(file);
    if (!opened.is_dataset(path)) return;
    const hdf5::Dataset dataset = opened.dataset(path);
    dimensions = dataset.dimensions();
    const bool single = dataset.type().kind == hdf5::ElementClass::floating && dataset.type().bytes == 4;
    facts = {1, static_cast<Index>(dimensions.size()),
             static_cast<Index>(single ? DataType::float32 : DataType::float64)};
  });
  comm.broadcast(std::span<Index>(facts));
  if (facts[0] == 0) return std::nullopt;
  dimensions.resize(static_cast<std::size_t>(facts[1]));
  comm.broadcast(std::span<Index>(dimensions));
  return DatasetInfo{dimensions, static_cast<DataType>(facts[2])};
}

template std::unique_ptr<DataSource<float>> load_matrix(const Communicator&, const MatrixDescription&,
                                                        const LoadOptions&);
template std::unique_ptr<DataSource<double>> load_matrix(const Communicator&, const MatrixDescription&,
                                                         const LoadOptions&);
template Matrix<float> read_replicated_matrix(const Communicator&, const std::string&, const std::string&);
template Matrix<double> read_replicated_matrix(const Communicator&, const std::string&, const std::string&);
template Matrix<float> read_local_rows(const Communicator&, const std::string&, const std::string&,
                                       const RowPartition&);
template Matrix<double> read_local_rows(const Communicator&, const std::string&, const std::string&,
                                        const RowPartition&);

}  // namespace scanmf
