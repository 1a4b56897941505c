#include <fmt/format.h>

#include <limits>

#include "core/checked.hpp"
#include "data/densified_source.hpp"
#include "data/load.hpp"
#include "data/npy.hpp"
#include "data/streamed_source.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/log.hpp"
#include "scanmf/linalg/tile.hpp"

namespace scanmf {
namespace {

/// True when `scanmf convert` has to be told that rows are features: where the file does not say it itself.
bool needs_transpose(const MatrixDescription& description) {
  if (description.format == FileFormat::npy)
    return description.transposed != data::read_npy_matrix(description.file).fortran;
  return description.transposed;
}

std::string megabytes(Index bytes) {
  return bytes < 100'000 ? fmt::format("{} bytes", bytes) : fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
}

}  // namespace

Index bytes_in_memory(const MatrixDescription& description, DataType type, int ranks) {
  const Shape shape = description.shape;
  const Index element = size_of(type);
  const Index rows_of_rank = shape.rows / ranks + (shape.rows % ranks != 0 ? 1 : 0);
  std::optional<Index> bytes;
  if (description.kind() == StorageKind::dense) {
    const Index grain = type == DataType::float32 ? column_grain<float> : column_grain<double>;
    const Index grains = shape.columns / grain + (shape.columns % grain != 0 ? 1 : 0);
    bytes = checked_product({rows_of_rank, grains, grain, element});
  } else {
    const Index stored_of_rank = description.stored / ranks + (description.stored % ranks != 0 ? 1 : 0);
    const auto elements = checked_product({stored_of_rank, element + static_cast<Index>(sizeof(std::int32_t))});
    const auto bounds = checked_product({rows_of_rank, static_cast<Index>(sizeof(Index))});
    if (elements && bounds) bytes = checked_sum({*elements, *bounds, Index{sizeof(Index)}});
  }
  return bytes.value_or(std::numeric_limits<Index>::max());
}

template <Scalar T>
std::unique_ptr<DataSource<T>> open_source(const Communicator& comm, const MatrixDescription& in_file,
                                           const LoadOptions& options) {
  MatrixDescription description;
  comm.agree([&] { description = data::without_transposition(in_file); });
  const auto fits = [&](Index bytes) {
    return comm.max<Index>(!options.memory || bytes <= *options.memory ? 0 : 1) == 0;
  };
  const bool becomes_dense = data::held_dense(description, options);
  if (becomes_dense) {
    MatrixDescription dense = description;
    dense.format = FileFormat::dense;
    const Index bytes = bytes_in_memory(dense, data_type_of<T>, comm.size());
    if (fits(bytes)) {
      const double elements =
          static_cast<double>(description.shape.rows) * static_cast<double>(description.shape.columns);
      log_information(
          fmt::format("{:.3g} % of X are non-zeros: it is held as a dense matrix, which is faster ({} a rank)",
                      100 * static_cast<double>(data::expected_stored(description)) / elements, megabytes(bytes)));
      return load_matrix<T>(comm, description, options);
    }
    log_information(
        "X has so many non-zeros that the dense kernels are faster: as a dense matrix it does not fit, so that its "
        "rows "
        "are made dense in each pass");
  }
  LoadOptions sparse = options;
  sparse.dense_from = LoadOptions().dense_from;
  if (becomes_dense) sparse.sparse_tiles = StorageKind::dense;
  const auto as_computed = [&](std::unique_ptr<DataSource<T>> source) {
    return becomes_dense ? data::densified_source<T>(std::move(source)) : std::move(source);
  };
  const Index needed = bytes_in_memory(description, data_type_of<T>, comm.size());
  if (fits(needed)) return as_computed(load_matrix<T>(comm, description, sparse));
  if (description.format == FileFormat::csc || description.transposed) {
    const Index memory = -comm.max(-options.memory.value_or(std::numeric_limits<Index>::max()));
    bool transpose = false;
    comm.agree([&] { transpose = needs_transpose(in_file); });
    throw AgreedError(
        fmt::format("{} is stored by columns{}, which cannot be streamed: it needs {} a rank and --memory allows {}; "
                    "use more ranks or memory, or "
                    "store it by rows first: scanmf convert {} -o OUT.h5{}",
                    data::place_of(description), description.transposed ? "" : " (CSC)", megabytes(needed),
                    megabytes(memory), data::place_of(description), transpose ? " --transpose" : ""));
  }
  return as_computed(data::streamed_source<T>(comm, description, sparse));
}

template std::unique_ptr<DataSource<float>> open_source(const Communicator&, const MatrixDescription&,
                                                        const LoadOptions&);
template std::unique_ptr<DataSource<double>> open_source(const Communicator&, const MatrixDescription&,
                                                         const LoadOptions&);

}  // namespace scanmf
