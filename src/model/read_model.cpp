#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "io/checksums.hpp"
#include "io/hdf5.hpp"
#include "model/pack.hpp"
#include "model/read_header.hpp"
#include "model/schema.hpp"
#include "scanmf/core/log.hpp"
#include "scanmf/model/model_file.hpp"

namespace scanmf {
namespace {

const char* kind_of(const std::optional<hdf5::AttributeValue>& value) {
  constexpr const char* kinds[] = {"a truth value", "an integer", "a floating-point number", "text"};
  return value ? kinds[value->index()] : "nothing of the kind";
}

/// A root attribute that every model has.
template <class Value>
Value required(const hdf5::File& file, const std::string& name) {
  const auto value = file.read_attribute("/", name);
  if (!value || !std::holds_alternative<Value>(*value))
    throw Error(fmt::format(
        "{} has no attribute {} of the right type: expected {}, found {}; it is no complete model file: write it again",
        file.name(), name, kind_of(Value{}), kind_of(value)));
  return std::get<Value>(*value);
}

Attributes read_attributes(const hdf5::File& file, const std::string& group) {
  Attributes attributes;
  if (!file.is_group(group)) return attributes;
  for (const std::string& name : file.attribute_names(group))
    if (const auto value = file.read_attribute(group, name)) attributes.emplace_back(name, *value);
  return attributes;
}

/// A 2-D dataset of numbers that is as large as it says.
hdf5::Dataset matrix(const hdf5::File& file, const std::string& path) {
  hdf5::Dataset dataset = file.dataset(path);
  const std::vector<Index>& shape = dataset.dimensions();
  if (shape.size() != 2 || !dataset.type().is_number())
    throw Error(fmt::format("{} is not a matrix: expected 2 dimensions of numbers, found {} of {}", dataset.place(),
                            shape.size(), dataset.type().name));
  if (shape[0] < 1 || shape[1] < 1)
    throw Error(fmt::format("{} is empty: expected at least one row and one column, found {} x {}", dataset.place(),
                            shape[0], shape[1]));
  dataset.check_stored();
  return dataset;
}

DataType element_type(const hdf5::ElementType& type) {
  return type.kind == hdf5::ElementClass::floating && type.bytes == 4 ? DataType::float32 : DataType::float64;
}

void check_format(const hdf5::File& file) {
  const Index version = required<Index>(file, "format_version");
  if (version != model_format_version)
    throw Error(fmt::format(
        "{} has format version {}, this program (scanmf {}) reads version {}: use the program that wrote it",
        file.name(), version, SCANMF_VERSION, model_format_version));
}

/// Everything of the schema that the file has.
std::vector<std::string> array_paths(const hdf5::File& file) {
  std::vector<std::string> paths;
  for (const char* path : {"/H", "/W", "/feature_names", "/obs_names"})
    if (file.exists(path)) paths.emplace_back(path);
  for (const std::string group : {"/history", "/state"})
    if (file.is_group(group))
      for (const std::string& member : file.members(group)) paths.push_back(group + "/" + member);
  return paths;
}

ArrayInfo describe(const hdf5::File& file, const std::string& path) {
  const hdf5::Dataset dataset = file.dataset(path);
  const hdf5::ElementType& type = dataset.type();
  return {path, dataset.dimensions(), type.name, type.kind == hdf5::ElementClass::string, type.is_number()};
}

void read_numbers(const hdf5::File& file, ModelHeader& header) {
  header.schema_release = file.has_attribute("/", "schema_release") ? required<Index>(file, "schema_release") : 1;
  header.estimator = required<std::string>(file, "estimator");
  const std::string dtype = required<std::string>(file, "dtype");
  if (dtype != name_of(DataType::float32) && dtype != name_of(DataType::float64))
    throw Error(fmt::format("{}: attribute dtype does not fit the model: expected float32 or float64, found {}",
                            file.name(), dtype));
  header.dtype = dtype == name_of(DataType::float32) ? DataType::float32 : DataType::float64;
  header.n_components = required<Index>(file, "n_components");
  header.n_features_in = required<Index>(file, "n_features_in");
  header.n_samples = required<Index>(file, "n_samples");
  header.n_iter = required<Index>(file, "n_iter");
  if (file.has_attribute("/", "n_steps")) header.n_steps = required<Index>(file, "n_steps");
  header.reconstruction_err = required<double>(file, "reconstruction_err");
  header.converged = required<bool>(file, "converged");
}

/// A file that is no model of this program, but has factors.
ModelHeader read_factors(const hdf5::File& file) {
  if (!file.is_dataset("/H"))
    throw Error(fmt::format("{} is no model: it has neither the attribute format = \"{}\" nor a dataset /H",
                            file.name(), model_format_name));
  ModelHeader header;
  header.reconstruction_err = std::numeric_limits<double>::quiet_NaN();
  const hdf5::Dataset H = matrix(file, "/H");
  header.n_components = H.dimensions()[0];
  header.n_features_in = H.dimensions()[1];
  header.dtype = element_type(H.type());
  header.estimator.clear();
  if (!file.is_dataset("/feature_names")) return header;
  const hdf5::Dataset names = file.dataset("/feature_names");
  if (names.type().kind != hdf5::ElementClass::string) return header;
  if (names.dimensions() != std::vector<Index>{header.n_features_in})
    throw Error(fmt::format("{} does not fit {}: expected {} names, one a column, found {}", names.place(), H.place(),
                            header.n_features_in, fmt::join(names.dimensions(), " x ")));
  header.feature_names = file.read_strings("/feature_names");
  return header;
}

ModelHeader read_header(const std::string& name) {
  const hdf5::File file = hdf5::File::open(name);
  if (file.read_string_attribute("/", "format") != model_format_name) return read_factors(file);
  check_format(file);
  ModelHeader header;
  read_numbers(file, header);
  const std::vector<std::string> paths = array_paths(file);
  if (paths.empty() || paths.front() != "/H")
    throw Error(fmt::format("{} has no dataset /H: it is no complete model file; write it again", name));
  std::vector<ArrayInfo> arrays;
  for (const std::string& path : paths) arrays.push_back(describe(file, path));
  check_schema(name, header, arrays);
  for (const std::string& path : paths) file.dataset(path).check_stored();
  header.params = read_attributes(file, "/params");
  for (const ArrayInfo& array : arrays)
    if (array.path.starts_with("/history/"))
      header.history.emplace_back(array.path.substr(array.path.rfind('/') + 1),
                                  file.dataset(array.path).read_all<double>());
  header.state = read_attributes(file, "/state");
  header.provenance = read_attributes(file, "/provenance");
  if (file.exists("/feature_names")) header.feature_names = file.read_strings("/feature_names");
  if (file.exists("/obs_names")) header.obs_names = file.read_strings("/obs_names");
  return header;
}

}  // namespace

ModelHeader read_verified_header(const Communicator& comm, const std::string& file) {
  ModelHeader header;
  comm.agree([&] {
    if (comm.is_root()) header = read_header(file);
  });
  if (comm.size() == 1) return header;
  const std::string bytes = comm.broadcast(comm.is_root() ? pack(header) : std::string());
  return comm.is_root() ? header : unpack(bytes);
}

ModelHeader read_model_header(const Communicator& comm, const std::string& file) {
  const bool sealed = io::refuse_damaged(comm, file);
  ModelHeader header = read_verified_header(comm, file);
  if (!sealed && !header.estimator.empty() && comm.is_root())
    log_warning(
        fmt::format("model {} has no checksums (it was changed by another program, or is not whole): whether it is as "
                    "it was written is not known",
                    file));
  return header;
}

template <Scalar T>
Matrix<T> read_model_Ht(const Communicator& comm, const std::string& file) {
  constexpr Index piece_bytes = Index{32} << 20;
  std::optional<hdf5::File> opened;
  std::optional<hdf5::Dataset> dataset;
  Index shape[2] = {0, 0};
  comm.agree([&] {
    if (!comm.is_root()) return;
    opened = hdf5::File::open(file);
    dataset = matrix(*opened, "/H");
    std::copy_n(dataset->dimensions().begin(), 2, shape);
  });
  comm.broadcast(std::span<Index>(shape));
  const auto [k, n] = shape;

  Matrix<T> Ht;
  Matrix<T> piece;
  const Index piece_rows =
      std::clamp<Index>(piece_bytes / std::max<Index>(1, n * static_cast<Index>(sizeof(T))), 1, std::max<Index>(1, k));
  comm.agree([&] {
    Ht = Matrix<T>(n, k);
    piece = Matrix<T>(piece_rows, n);
  });
  for (Index begin = 0; begin < k; begin += piece_rows) {
    const Range rows{begin, std::min(k, begin + piece_rows)};
    comm.agree([&] {
      if (comm.is_root()) dataset->read_rows(rows, piece.data());
    });
    comm.broadcast(piece.span().first(static_cast<std::size_t>(rows.size() * n)));
    for (Index j = 0; j < n; ++j)
      for (Index c = rows.begin; c < rows.end; ++c) Ht(j, c) = piece(c - rows.begin, j);
  }
  return Ht;
}

template <Scalar T>
Matrix<T> read_model_W(const Communicator& comm, const std::string& file, const RowPartition& partition) {
  Matrix<T> W;
  comm.agree([&] {
    const hdf5::File opened = hdf5::File::open(file);
    if (!opened.exists("/W"))
      throw Error(
          fmt::format("{} has no dataset /W: it was written with --save-w false; fit again with --save-w true", file));
    const hdf5::Dataset dataset = matrix(opened, "/W");
    if (dataset.rows() != partition.rows())
      throw Error(fmt::format("{} has {} rows, but X has {}: the model belongs to other data", dataset.place(),
                              dataset.rows(), partition.rows()));
    W = Matrix<T>(partition.local_rows(comm.rank()), dataset.dimensions()[1]);
    Index b = 0;
    while (b < partition.batches()) {  // pieces that follow each other in the file are read in one go
      Range rows = partition.piece(b, comm.rank());
      const Index local = partition.local_begin(b, comm.rank());
      for (++b; b < partition.batches() && partition.piece(b, comm.rank()).begin == rows.end; ++b)
        rows.end = partition.piece(b, comm.rank()).end;
      if (!rows.empty()) dataset.read_rows(rows, W.row(local));
    }
  });
  return W;
}

template <Scalar T>
Matrix<T> read_model_slice(const Communicator& comm, const std::string& file, const std::string& path,
                           const Shape& expected, Range rows) {
  Matrix<T> slice;
  comm.agree([&] {
    const hdf5::File opened = hdf5::File::open(file);
    if (!opened.exists(path))
      throw Error(fmt::format("{} has no dataset {}: it holds no state to continue from", file, path));
    const hdf5::Dataset dataset = matrix(opened, path);
    const Shape found{dataset.dimensions()[0], dataset.dimensions()[1]};
    if (found != expected)
      throw Error(
          fmt::format("{} does not fit the model: expected {} x {}, found {} x {}; the file is damaged or was changed",
                      dataset.place(), expected.rows, expected.columns, found.rows, found.columns));
    slice = Matrix<T>(rows.size(), dataset.dimensions()[1]);
    if (!rows.empty()) dataset.read_rows(rows, slice.data());
  });
  return slice;
}

std::optional<std::string> find_damage(const Communicator& comm, const std::string& file) {
  return io::find_mismatch(comm, file);
}

template Matrix<float> read_model_Ht(const Communicator&, const std::string&);
template Matrix<double> read_model_Ht(const Communicator&, const std::string&);
template Matrix<float> read_model_W(const Communicator&, const std::string&, const RowPartition&);
template Matrix<double> read_model_W(const Communicator&, const std::string&, const RowPartition&);
template Matrix<float> read_model_slice(const Communicator&, const std::string&, const std::string&, const Shape&,
                                        Range);
template Matrix<double> read_model_slice(const Communicator&, const std::string&, const std::string&, const Shape&,
                                         Range);

}  // namespace scanmf
