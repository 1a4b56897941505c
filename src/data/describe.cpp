#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <limits>
#include <optional>
#include <set>

#include "core/checked.hpp"
#include "data/column_selection.hpp"
#include "data/contents.hpp"
#include "data/file_watch.hpp"
#include "data/load.hpp"
#include "data/locate.hpp"
#include "data/missing.hpp"
#include "data/names.hpp"
#include "data/npy.hpp"
#include "data/whole_numbers.hpp"
#include "io/checksums.hpp"
#include "io/hdf5.hpp"
#include "io/hdf5_objects.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/log.hpp"
#include "scanmf/data/matrix_file.hpp"

namespace scanmf {
namespace {

using data::StoredMatrix;
using data::Writer;
using hdf5::Dataset;
using hdf5::File;

DataType data_type_for(const hdf5::ElementType& type) {
  return type.kind == hdf5::ElementClass::floating && type.bytes == 4 ? DataType::float32 : DataType::float64;
}

/// "compound", with what a table of pandas, PyTables or R consists of.
std::string kind_of(const Dataset& dataset) {
  std::vector<std::string> members = hdf5::compound_members(dataset);
  if (members.empty()) return dataset.type().name;
  constexpr std::size_t shown = 5;
  const bool more = members.size() > shown;
  members.resize(std::min(members.size(), shown));
  return fmt::format("{} elements ({}{}), a table", dataset.type().name, fmt::join(members, ", "), more ? ", …" : "");
}

/// R's logicals have a third value.
void note_booleans(const hdf5::ElementType& type, MatrixDescription& matrix) {
  constexpr double not_available = 2;
  matrix.booleans = type.kind == hdf5::ElementClass::boolean;
  if (matrix.booleans) data::mark_value(matrix.missing, not_available);
}

void describe_dense(const File& file, const StoredMatrix& stored, MatrixDescription& matrix) {
  const Dataset dataset = file.dataset(stored.dataset);
  const std::vector<Index>& lengths = dataset.dimensions();
  if (!dataset.type().is_number())
    throw Error(fmt::format("{} holds {}, not numbers", dataset.place(), kind_of(dataset)));
  if (lengths.size() != 2)
    throw Error(fmt::format("Expected 2D array, got {} array instead: {} has shape ({})",
                            lengths.empty() ? "scalar" : fmt::format("{}D", lengths.size()), dataset.place(),
                            fmt::join(lengths, ", ")));
  const std::optional<Index> bytes =
      checked_product({lengths[0], lengths[1], std::max<Index>(dataset.type().bytes, sizeof(double))});
  if (!bytes)
    throw Error(
        fmt::format("{} states a shape of {} x {}, which no file holds", dataset.place(), lengths[0], lengths[1]));
  matrix.path = stored.dataset;
  matrix.format = FileFormat::dense;
  matrix.shape = {lengths[0], lengths[1]};
  matrix.stored = matrix.shape.rows * matrix.shape.columns;
  matrix.element_type = dataset.type().name;
  matrix.data_type = data_type_for(dataset.type());
  matrix.layout = dataset.layout();
  matrix.missing = stored.missing;
  note_booleans(dataset.type(), matrix);
}

/// One of the three arrays of a sparse matrix: a list, or a column as Octave writes it.
Dataset part_of(const File& file, const std::string& path, bool integers) {
  if (!file.is_dataset(path))
    throw Error(fmt::format("{} does not exist: a sparse matrix needs data, indices and indptr", file.place(path)));
  Dataset dataset = file.dataset(path);
  const std::vector<Index>& lengths = dataset.dimensions();
  if (lengths.size() != 1 && !(lengths.size() == 2 && lengths[1] == 1))
    throw Error(fmt::format("{} must have one dimension, not {}", dataset.place(), lengths.size()));
  if (lengths[0] < 0) throw Error(fmt::format("{} states a length that no file holds", dataset.place()));
  if (!dataset.type().is_number())
    throw Error(fmt::format("{} holds {}, not numbers", dataset.place(), dataset.type().name));
  if (integers && dataset.type().kind != hdf5::ElementClass::integer)
    throw Error(fmt::format("{} holds {}, not integers", dataset.place(), dataset.type().name));
  return dataset;
}

void check_lengths(const MatrixDescription& matrix, const Dataset& values, const Dataset& indices,
                   const Dataset& indptr) {
  if (values.rows() != indices.rows())
    throw Error(fmt::format("{} has {} elements, {} has {}: they must be equal", values.place(), values.rows(),
                            indices.place(), indices.rows()));
  const bool by_rows = matrix.format == FileFormat::csr;
  const Index slices = by_rows ? matrix.shape.rows : matrix.shape.columns;
  const std::optional<Index> bounds = checked_sum({slices, 1});
  if (!bounds || indptr.rows() != *bounds)
    throw Error(fmt::format("{} has {} elements; {} {} need {}", indptr.place(), indptr.rows(), slices,
                            by_rows ? "rows" : "columns", bounds ? std::to_string(*bounds) : "one more"));
  Index first = 0;
  Index last = 0;
  indptr.read_rows(Range{0, 1}, &first);
  indptr.read_rows(Range{slices, slices + 1}, &last);
  if (first != 0) throw Error(fmt::format("{} must begin with 0, not {}", indptr.place(), first));
  if (last != values.rows())
    throw Error(
        fmt::format("{} must end with {}, the number of stored elements, not {}", indptr.place(), values.rows(), last));
}

/// Sizes that no array of the file bears out.
void check_stated(const File& file, const MatrixDescription& matrix) {
  constexpr Index most_columns = std::numeric_limits<std::int32_t>::max();
  constexpr Index few_rows = Index{1} << 24;
  constexpr Index rows_an_element = 1024;
  if (matrix.shape.columns > most_columns)
    throw Error(fmt::format("{} has {} columns; sparse matrices may have up to {}", file.place(matrix.path),
                            matrix.shape.columns, most_columns));
  if (matrix.format == FileFormat::csc && matrix.shape.rows > few_rows &&
      matrix.shape.rows / rows_an_element > matrix.stored)
    throw Error(fmt::format("{} states {} rows, but only {} elements are stored: the shape is wrong",
                            file.place(matrix.path), matrix.shape.rows, matrix.stored));
}

void describe_sparse(const File& file, const StoredMatrix& stored, MatrixDescription& matrix) {
  matrix.path = stored.path;
  matrix.format = stored.format;
  matrix.parts = stored.parts;
  matrix.shape = stored.shape;
  const Dataset values = part_of(file, matrix.parts.values, false);
  const Dataset indices = part_of(file, matrix.parts.indices, true);
  const Dataset indptr = part_of(file, matrix.parts.indptr, true);
  check_lengths(matrix, values, indices, indptr);
  matrix.stored = values.rows();
  matrix.element_type = values.type().name;
  matrix.data_type = data_type_for(values.type());
  note_booleans(values.type(), matrix);
  matrix.layout = fmt::format("{}, indices {}", values.layout(), indices.type().name);
}

/// As stored, without names.
MatrixDescription describe_stored(const File& file, const StoredMatrix& stored) {
  MatrixDescription matrix;
  matrix.file = file.name();
  if (stored.format == FileFormat::dense) {
    describe_dense(file, stored, matrix);
  } else {
    describe_sparse(file, stored, matrix);
  }
  return matrix;
}

std::string why_transposed(const StoredMatrix& stored, const std::optional<bool>& asked) {
  if (asked) return "--transpose";
  return fmt::format("{} stores columns first; --transpose false takes it as it lies there", name_of(stored.writer));
}

/// Makes X of what is stored. A sparse matrix is its own transpose with rows and columns called by each other's name.
void turn(const File& file, const StoredMatrix& stored, const InputOptions& options, MatrixDescription& matrix) {
  if (stored.must_be_told && !options.transpose)
    throw Error(fmt::format(
        "{} does not say whether the {} it is compressed by are rows of X or columns: --transpose false takes them for "
        "the rows ({} x {}), --transpose true for the columns",
        file.place(stored.path), stored.shape.rows, stored.shape.rows, stored.shape.columns));
  const bool transpose = options.transpose.value_or(stored.columns_first);
  if (transpose) {
    std::swap(matrix.shape.rows, matrix.shape.columns);
    if (matrix.is_sparse()) {
      matrix.format = matrix.format == FileFormat::csr ? FileFormat::csc : FileFormat::csr;
    } else {
      matrix.transposed = true;
    }
    log_information(fmt::format("X is the transpose of {} as it is stored ({})", file.place(matrix.path),
                                why_transposed(stored, options.transpose)));
  } else if (stored.writer == Writer::rhdf5 && !options.transpose) {
    log_information(
        fmt::format("{} was written by R, which shows it transposed: X is {} x {} (--transpose takes it as R shows it)",
                    file.place(matrix.path), matrix.shape.rows, matrix.shape.columns));
  }
  if (!matrix.is_sparse()) return;
  check_stated(file, matrix);
  matrix.layout = fmt::format("{} ({})", matrix.format == FileFormat::csr ? "CSR" : "CSC", matrix.layout);
}

/// Ranges of the columns whose type is `wanted`.
std::vector<Range> columns_of_type(const std::vector<std::string>& types, const std::string& wanted) {
  std::vector<Range> ranges;
  for (std::size_t j = 0; j < types.size(); ++j) {
    if (types[j] != wanted) continue;
    const auto column = static_cast<Index>(j);
    if (ranges.empty() || ranges.back().end != column) ranges.push_back({column, column});
    ranges.back().end = column + 1;
  }
  return ranges;
}

/// Keeps the columns of one type (genes or antibodies), or says that there are several.
void choose_features(const File& file, const StoredMatrix& stored, const InputOptions& options, const Shape& as_stored,
                     bool transposed, MatrixDescription& matrix) {
  const std::string& wanted = options.feature_type;
  const std::vector<std::string> types =
      stored.columns_first ? std::vector<std::string>{} : data::feature_types(file, stored, as_stored);
  const std::set<std::string> distinct(types.begin(), types.end());
  if (wanted.empty()) {
    if (distinct.size() > 1 && !transposed)
      log_warning(
          fmt::format("{} holds features of several types, and X has them all: {}; --feature-type NAME takes one",
                      data::place_of(matrix), fmt::join(distinct, ", ")));
    return;
  }
  if (distinct.count(wanted) == 0)
    throw Error(fmt::format("{} has no features of type '{}' (option '--feature-type'): {}", data::place_of(matrix),
                            wanted,
                            distinct.empty() ? "it does not say of what types they are"
                                             : fmt::format("there are {}", fmt::join(distinct, ", "))));
  if (transposed)
    throw Error(fmt::format(
        "{}: features of one type cannot be taken of a matrix that is turned round (options '--feature-type' and "
        "'--transpose'); in two steps: scanmf convert {} --feature-type '{}' -o OUT.h5, then OUT.h5 with --transpose",
        data::place_of(matrix), data::place_of(matrix), wanted));
  log_information(fmt::format("X has the features of type {}", wanted));
  if (distinct.size() == 1) return;
  matrix.columns = columns_of_type(types, wanted);
  matrix.columns_in_file = as_stored.columns;
  matrix.shape.columns = data::number_of_columns(matrix.columns);
  std::vector<std::string> names;
  for (const Range& range : matrix.columns)
    if (!matrix.feature_names.empty())
      names.insert(names.end(), matrix.feature_names.begin() + range.begin, matrix.feature_names.begin() + range.end);
  matrix.feature_names = std::move(names);
}

/// Names come last: what is optional is read when X is known to be sound.
void add_names(const File& file, const StoredMatrix& stored, const InputOptions& options, MatrixDescription& matrix) {
  const bool transposed = options.transpose.value_or(stored.columns_first);
  const Shape as_stored = transposed ? Shape{matrix.shape.columns, matrix.shape.rows} : matrix.shape;
  data::Names names = data::find_names(file, stored, as_stored);
  if (transposed) std::swap(names.rows, names.columns);
  matrix.row_names = std::move(names.rows);
  matrix.feature_names = std::move(names.columns);
  choose_features(file, stored, options, as_stored, transposed, matrix);
}

/// Says which other matrices a user of AnnData may have meant.
void mention_others(const File& file, const MatrixDescription& matrix) {
  std::vector<std::string> others;
  constexpr std::size_t most = 20;
  if (file.is_group("/layers"))
    for (const hdf5::Link& link : hdf5::links_of(file, "/layers", most)) others.push_back("/layers/" + link.name);
  if (file.exists("/raw/X")) others.emplace_back("/raw/X");
  std::erase(others, matrix.path);
  if (!others.empty())
    log_information(fmt::format("X is {}; also in the file: {} ({}:PATH takes one)", data::place_of(matrix),
                                fmt::join(others, ", "), file.name()));
}

/// A .npy file, which is the matrix itself.
MatrixDescription describe_array(const data::InputName& name, const std::string& estimator,
                                 const InputOptions& options) {
  if (!name.path.empty())
    throw Error(fmt::format("'{}' is a .npy file, which has nothing inside that {} could name: leave it out", name.file,
                            name.path));
  if (!options.feature_type.empty())
    throw Error(fmt::format(
        "'{}' is a .npy file, which does not say of what types its features are (option '--feature-type')", name.file));
  MatrixDescription matrix = data::describe_npy(name.file);
  if (options.transpose.value_or(false)) {
    std::swap(matrix.shape.rows, matrix.shape.columns);
    matrix.transposed = !matrix.transposed;
    log_information(fmt::format("X is the transpose of {} (--transpose)", name.file));
  }
  data::check_not_empty(matrix.shape, estimator, data::place_of(matrix));
  return matrix;
}

MatrixDescription describe_file(const data::InputName& name, const std::string& estimator,
                                const InputOptions& options) {
  if (data::is_npy(name.file)) return describe_array(name, estimator, options);
  const File file = data::open_input(name.file);
  const data::Located located = data::locate_matrix(file, name.path, options.preferred);
  const StoredMatrix& stored = located.matrix;
  MatrixDescription matrix = describe_stored(file, stored);
  if (!stored.refusal.empty()) throw Error(stored.refusal);
  turn(file, stored, options, matrix);
  data::check_not_empty(matrix.shape, estimator, data::place_of(matrix));
  add_names(file, stored, options, matrix);
  if (located.chosen) mention_others(file, matrix);
  return matrix;
}

/// Strings of HDF5 hold no NUL, so one ends each name.
void broadcast_names(const Communicator& comm, std::vector<std::string>& names) {
  std::string joined;
  for (const std::string& name : names) joined.append(name).push_back('\0');
  joined = comm.broadcast(std::move(joined));
  if (comm.is_root()) return;
  names.clear();
  for (std::size_t begin = 0; begin < joined.size(); begin += names.back().size() + 1)
    names.emplace_back(joined.c_str() + begin);
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
  for (std::string* text : {&matrix.file, &matrix.path, &matrix.parts.values, &matrix.parts.indices,
                            &matrix.parts.indptr, &matrix.element_type, &matrix.layout})
    *text = comm.broadcast(*text);
  std::array<Index, 10> numbers = {static_cast<Index>(matrix.format),
                                   matrix.shape.rows,
                                   matrix.shape.columns,
                                   matrix.stored,
                                   static_cast<Index>(matrix.data_type),
                                   matrix.transposed ? 1 : 0,
                                   matrix.columns_in_file,
                                   static_cast<Index>(matrix.columns.size()),
                                   static_cast<Index>(matrix.missing.size()),
                                   matrix.booleans ? 1 : 0};
  comm.broadcast(std::span<Index>(numbers));
  matrix.format = static_cast<FileFormat>(numbers[0]);
  matrix.shape = {numbers[1], numbers[2]};
  matrix.stored = numbers[3];
  matrix.data_type = static_cast<DataType>(numbers[4]);
  matrix.transposed = numbers[5] != 0;
  matrix.columns_in_file = numbers[6];
  broadcast_columns(comm, static_cast<std::size_t>(numbers[7]), matrix.columns);
  matrix.missing.resize(static_cast<std::size_t>(numbers[8]));
  matrix.booleans = numbers[9] != 0;
  comm.broadcast(std::span<double>(matrix.missing));
  broadcast_names(comm, matrix.feature_names);
  broadcast_names(comm, matrix.row_names);
}

/// What a file said that was not changed meanwhile: of one that was cut, parts seem to be missing, or are zeros.
MatrixDescription describe_unchanged(const data::InputName& name, const std::string& estimator,
                                     const InputOptions& options) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(name.file, ignored)) return describe_file(name, estimator, options);  // refused
  const data::FileWatch watch(name.file);
  try {
    MatrixDescription matrix = describe_file(name, estimator, options);
    watch.check();
    return matrix;
  } catch (const Error&) {
    watch.check();
    throw;
  }
}

ListedMatrix listed(const File& file, const StoredMatrix& stored) {
  ListedMatrix entry{.path = stored.path, .writer = name_of(stored.writer)};
  try {
    const MatrixDescription matrix = describe_stored(file, stored);
    entry.shape = stored.columns_first ? Shape{matrix.shape.columns, matrix.shape.rows} : matrix.shape;
    entry.sparse = matrix.is_sparse();
    entry.transposed = stored.columns_first;
    entry.element_type = matrix.element_type;
    entry.hindrance = stored.refusal;
    entry.integers = data::begins_with_whole_numbers(matrix).value_or(false);
  } catch (const Error& error) {
    if (entry.hindrance.empty()) entry.hindrance = error.what();
  }
  return entry;
}

}  // namespace

MatrixDescription describe_matrix(const Communicator& comm, const std::string& input, const std::string& estimator,
                                  const InputOptions& options) {
  data::InputName name;
  comm.agree([&] { name = data::parse_input(input); });
  io::refuse_damaged(comm, name.file);  // W of a transform is X of another run
  MatrixDescription matrix;
  comm.agree([&] {
    if (comm.is_root()) matrix = describe_unchanged(name, estimator, options);
  });
  broadcast_description(comm, matrix);
  return matrix;
}

std::vector<ListedMatrix> list_matrices(const std::string& file_name) {
  const File file = data::open_input(file_name);
  data::Contents contents = data::contents_of(file);
  std::vector<ListedMatrix> list;
  for (const StoredMatrix& stored : contents.matrices) list.push_back(listed(file, stored));
  for (const StoredMatrix& stored : contents.refused)
    list.push_back({.path = stored.path, .hindrance = stored.refusal});
  return list;
}

}  // namespace scanmf
