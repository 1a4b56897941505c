#include <fmt/format.h>
#include <fmt/ranges.h>

#include <limits>

#include "data/load.hpp"
#include "data/locate.hpp"
#include "data/npy.hpp"
#include "io/hdf5.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/data/matrix_file.hpp"

namespace scanmf {
namespace {

using data::SparseLayout;
using hdf5::Dataset;
using hdf5::File;

DataType data_type_for(const hdf5::ElementType& type) {
  return type.kind == hdf5::ElementClass::floating && type.bytes == 4 ? DataType::float32 : DataType::float64;
}

void describe_dense(const File& file, MatrixDescription& matrix) {
  const Dataset dataset = file.dataset(matrix.path);
  const std::size_t dimensions = dataset.dimensions().size();
  if (!dataset.type().is_number()) throw Error(fmt::format("{} holds {}, not numbers", dataset.place(), dataset.type().name));
  if (dimensions != 2)
    throw Error(fmt::format("Expected 2D array, got {} array instead: {} has shape ({})", dimensions == 0 ? "scalar" : fmt::format("{}D", dimensions),
                            dataset.place(), fmt::join(dataset.dimensions(), ", ")));
  matrix.format = FileFormat::dense;
  matrix.shape = {dataset.dimensions()[0], dataset.dimensions()[1]};
  matrix.stored = matrix.shape.rows * matrix.shape.columns;
  matrix.element_type = dataset.type().name;
  matrix.data_type = data_type_for(dataset.type());
  matrix.layout = dataset.layout();
}

/// Samples × features as the file states them.
Shape stated_shape(const File& file, const std::string& group, SparseLayout layout) {
  std::vector<Index> lengths;
  if (layout == SparseLayout::cells) {
    lengths = file.dataset(group + "/shape").read_all<Index>();
  } else {
    const char* const name = file.has_attribute(group, "h5sparse_shape") ? "h5sparse_shape" : "shape";
    const auto attribute = file.read_integers_attribute(group, name);
    if (!attribute) throw Error(fmt::format("{} has no attribute shape (two integers: rows, columns)", file.place(group)));
    lengths = *attribute;
  }
  if (lengths.size() != 2 || lengths[0] < 0 || lengths[1] < 0)
    throw Error(fmt::format("shape of {} is ({}), not two sizes", file.place(group), fmt::join(lengths, ", ")));
  if (layout == SparseLayout::cells) return {lengths[1], lengths[0]};
  return {lengths[0], lengths[1]};
}

/// One of the three arrays of a sparse matrix.
Dataset part_of(const File& file, const std::string& path, bool integers) {
  if (!file.is_dataset(path)) throw Error(fmt::format("{} does not exist: a sparse matrix needs data, indices and indptr", file.place(path)));
  Dataset dataset = file.dataset(path);
  if (dataset.dimensions().size() != 1) throw Error(fmt::format("{} must have one dimension, not {}", dataset.place(), dataset.dimensions().size()));
  if (!dataset.type().is_number()) throw Error(fmt::format("{} holds {}, not numbers", dataset.place(), dataset.type().name));
  if (integers && dataset.type().kind != hdf5::ElementClass::integer)
    throw Error(fmt::format("{} holds {}, not integers", dataset.place(), dataset.type().name));
  return dataset;
}

void check_lengths(const MatrixDescription& matrix, const Dataset& values, const Dataset& indices, const Dataset& indptr) {
  if (values.rows() != indices.rows())
    throw Error(fmt::format("{} has {} elements, {} has {}: they must be equal", values.place(), values.rows(), indices.place(), indices.rows()));
  const bool by_rows = matrix.format == FileFormat::csr;
  const Index slices = by_rows ? matrix.shape.rows : matrix.shape.columns;
  if (indptr.rows() != slices + 1)
    throw Error(fmt::format("{} has {} elements; {} {} need {}", indptr.place(), indptr.rows(), slices, by_rows ? "rows" : "columns", slices + 1));
  Index first = 0;
  Index last = 0;
  indptr.read_rows(Range{0, 1}, &first);
  indptr.read_rows(Range{slices, slices + 1}, &last);
  if (first != 0) throw Error(fmt::format("{} must begin with 0, not {}", indptr.place(), first));
  if (last != values.rows())
    throw Error(fmt::format("{} must end with {}, the number of stored elements, not {}", indptr.place(), values.rows(), last));
}

void describe_sparse(const File& file, SparseLayout layout, MatrixDescription& matrix) {
  constexpr Index most_columns = std::numeric_limits<std::int32_t>::max();
  matrix.format = layout == SparseLayout::csc ? FileFormat::csc : FileFormat::csr;
  matrix.shape = stated_shape(file, matrix.path, layout);
  if (matrix.shape.columns > most_columns)
    throw Error(fmt::format("{} has {} columns; sparse matrices may have up to {}", file.place(matrix.path), matrix.shape.columns, most_columns));
  matrix.parts = {matrix.path + "/data", matrix.path + "/indices", matrix.path + "/indptr"};
  const Dataset values = part_of(file, matrix.parts.values, false);
  const Dataset indices = part_of(file, matrix.parts.indices, true);
  const Dataset indptr = part_of(file, matrix.parts.indptr, true);
  check_lengths(matrix, values, indices, indptr);
  matrix.stored = values.rows();
  matrix.element_type = values.type().name;
  matrix.data_type = data_type_for(values.type());
  matrix.layout = fmt::format("{} ({}), indices {}", matrix.format == FileFormat::csr ? "CSR" : "CSC", values.layout(), indices.type().name);
}

/// Names of a 10x Genomics file, which lie in the group itself.
std::vector<std::string> cell_names(const File& file, const std::string& group, const std::vector<std::string>& candidates, Index count) {
  for (const std::string& candidate : candidates) {
    const std::string path = fmt::format("{}/{}", group, candidate);
    if (!file.is_dataset(path) || file.dataset(path).rows() != count || file.dataset(path).type().kind != hdf5::ElementClass::string) continue;
    return file.read_strings(path);
  }
  return {};
}

/// A .npy file, which is the matrix itself.
MatrixDescription describe_array(const data::InputName& name, const std::string& estimator) {
  if (!name.path.empty())
    throw Error(fmt::format("'{}' is a .npy file, which has nothing inside that {} could name: leave it out", name.file, name.path));
  MatrixDescription matrix = data::describe_npy(name.file);
  data::check_not_empty(matrix.shape, estimator, data::place_of(matrix));
  return matrix;
}

MatrixDescription describe_file(const std::string& input, const std::string& estimator, const std::vector<std::string>& preferred) {
  const data::InputName name = data::parse_input(input);
  if (data::is_npy(name.file)) return describe_array(name, estimator);
  const File file = File::open(name.file);
  MatrixDescription matrix;
  matrix.file = name.file;
  matrix.path = data::locate_matrix(file, name.path, preferred);
  SparseLayout layout = SparseLayout::none;
  if (file.is_group(matrix.path)) {
    layout = data::sparse_layout(file, matrix.path);
    if (layout == SparseLayout::none)
      throw Error(
          fmt::format("{} is a group, but no sparse matrix: it needs the datasets data, indices, indptr and the attributes encoding-type "
                      "(csr_matrix or csc_matrix) and shape",
                      file.place(matrix.path)));
    describe_sparse(file, layout, matrix);
  } else {
    describe_dense(file, matrix);
  }
  data::check_not_empty(matrix.shape, estimator, data::place_of(matrix));
  if (layout == SparseLayout::cells) {
    matrix.feature_names = cell_names(file, matrix.path, {"features/name", "gene_names", "features/id", "genes"}, matrix.shape.columns);
    matrix.row_names = cell_names(file, matrix.path, {"barcodes"}, matrix.shape.rows);
  } else {
    matrix.feature_names = data::find_names(file, matrix.path, "var", matrix.shape.columns);
    matrix.row_names = data::find_names(file, matrix.path, "obs", matrix.shape.rows);
  }
  return matrix;
}

/// Strings of HDF5 hold no NUL, so one ends each name.
void broadcast_names(const Communicator& comm, std::vector<std::string>& names) {
  std::string joined;
  for (const std::string& name : names) joined.append(name).push_back('\0');
  joined = comm.broadcast(std::move(joined));
  if (comm.is_root()) return;
  names.clear();
  for (std::size_t begin = 0; begin < joined.size(); begin += names.back().size() + 1) names.emplace_back(joined.c_str() + begin);
}

void broadcast_columns(const Communicator& comm, std::size_t ranges, std::vector<Range>& columns) {
  std::vector<Index> ends;
  for (const Range& range : columns) ends.insert(ends.end(), {range.begin, range.end});
  ends.resize(2 * ranges);
  comm.broadcast(std::span<Index>(ends));
  columns.clear();
  for (std::size_t i = 0; i < ranges; ++i) columns.push_back({ends[2 * i], ends[2 * i + 1]});
}

void broadcast_description(const Communicator& comm, MatrixDescription& matrix) {
  matrix.file = comm.broadcast(matrix.file);
  matrix.path = comm.broadcast(matrix.path);
  for (std::string* part : {&matrix.parts.values, &matrix.parts.indices, &matrix.parts.indptr}) *part = comm.broadcast(*part);
  matrix.element_type = comm.broadcast(matrix.element_type);
  matrix.layout = comm.broadcast(matrix.layout);
  std::array<Index, 8> numbers = {
      static_cast<Index>(matrix.format),    matrix.shape.rows,         matrix.shape.columns,   matrix.stored,
      static_cast<Index>(matrix.data_type), matrix.transposed ? 1 : 0, matrix.columns_in_file, static_cast<Index>(matrix.columns.size())};
  comm.broadcast(std::span<Index>(numbers));
  matrix.format = static_cast<FileFormat>(numbers[0]);
  matrix.shape = {numbers[1], numbers[2]};
  matrix.stored = numbers[3];
  matrix.data_type = static_cast<DataType>(numbers[4]);
  matrix.transposed = numbers[5] != 0;
  matrix.columns_in_file = numbers[6];
  broadcast_columns(comm, static_cast<std::size_t>(numbers[7]), matrix.columns);
  broadcast_names(comm, matrix.feature_names);
  broadcast_names(comm, matrix.row_names);
}

}  // namespace

MatrixDescription describe_matrix(const Communicator& comm, const std::string& input, const std::string& estimator,
                                  const std::vector<std::string>& preferred) {
  MatrixDescription matrix;
  comm.agree([&] {
    if (comm.is_root()) matrix = describe_file(input, estimator, preferred);
  });
  broadcast_description(comm, matrix);
  return matrix;
}

}  // namespace scanmf
