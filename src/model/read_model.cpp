#include <fmt/format.h>

#include <algorithm>

#include "io/checksums.hpp"
#include "io/hdf5.hpp"
#include "model/pack.hpp"
#include "scanmf/model/model_file.hpp"

namespace scanmf {
namespace {

template <class Value>
Value required(const hdf5::File& file, const std::string& name) {
  const auto value = file.read_attribute("/", name);
  if (!value || !std::holds_alternative<Value>(*value))
    throw Error(fmt::format("{} has no attribute {} of the right type: it is no complete model file; write it again", file.name(), name));
  return std::get<Value>(*value);
}

Attributes read_attributes(const hdf5::File& file, const std::string& group) {
  Attributes attributes;
  if (!file.is_group(group)) return attributes;
  for (const std::string& name : file.attribute_names(group))
    if (const auto value = file.read_attribute(group, name)) attributes.emplace_back(name, *value);
  return attributes;
}

std::vector<std::string> read_names(const hdf5::File& file, const std::string& path) {
  if (!file.is_dataset(path) || file.dataset(path).type().kind != hdf5::ElementClass::string) return {};
  return file.read_strings(path);
}

/// A 2-D dataset of numbers.
hdf5::Dataset matrix(const hdf5::File& file, const std::string& path) {
  hdf5::Dataset dataset = file.dataset(path);
  if (dataset.dimensions().size() != 2 || !dataset.type().is_number())
    throw Error(fmt::format("{} is not a matrix: expected 2 dimensions of numbers, found {} of {}", dataset.place(), dataset.dimensions().size(),
                            dataset.type().name));
  return dataset;
}

DataType element_type(const hdf5::ElementType& type) {
  return type.kind == hdf5::ElementClass::floating && type.bytes == 4 ? DataType::float32 : DataType::float64;
}

void read_shape_of_H(const hdf5::File& file, ModelHeader& header) {
  const hdf5::Dataset H = matrix(file, "/H");
  header.n_components = H.dimensions()[0];
  header.n_features_in = H.dimensions()[1];
  header.dtype = element_type(H.type());
}

void check_format(const hdf5::File& file) {
  const Index version = required<Index>(file, "format_version");
  if (version != model_format_version)
    throw Error(fmt::format("{} has format version {}, this program (scanmf {}) reads version {}: use the program that wrote it", file.name(),
                            version, SCANMF_VERSION, model_format_version));
}

ModelHeader read_header(const std::string& name) {
  const hdf5::File file = hdf5::File::open(name);
  ModelHeader header;
  header.feature_names = read_names(file, "/feature_names");
  if (file.read_string_attribute("/", "format") != model_format_name) {
    if (!file.is_dataset("/H"))
      throw Error(fmt::format("{} is no model: it has neither the attribute format = \"{}\" nor a dataset /H", name, model_format_name));
    header.estimator.clear();
    header.reconstruction_err = std::numeric_limits<double>::quiet_NaN();
    read_shape_of_H(file, header);
    return header;
  }
  check_format(file);
  read_shape_of_H(file, header);
  header.estimator = required<std::string>(file, "estimator");
  if (required<Index>(file, "n_components") != header.n_components || required<Index>(file, "n_features_in") != header.n_features_in)
    throw Error(fmt::format("{}: dataset /H is {} x {}, the attributes n_components and n_features_in say {} x {}; write the model again", name,
                            header.n_components, header.n_features_in, required<Index>(file, "n_components"),
                            required<Index>(file, "n_features_in")));
  header.n_samples = required<Index>(file, "n_samples");
  header.n_iter = required<Index>(file, "n_iter");
  if (file.has_attribute("/", "n_steps")) header.n_steps = required<Index>(file, "n_steps");
  header.reconstruction_err = required<double>(file, "reconstruction_err");
  header.converged = required<bool>(file, "converged");
  header.params = read_attributes(file, "/params");
  header.obs_names = read_names(file, "/obs_names");
  if (file.is_group("/history"))
    for (const std::string& member : file.members("/history"))
      header.history.emplace_back(member, file.dataset("/history/" + member).read_all<double>());
  header.state = read_attributes(file, "/state");
  header.provenance = read_attributes(file, "/provenance");
  return header;
}

}  // namespace

ModelHeader read_model_header(const Communicator& comm, const std::string& file) {
  ModelHeader header;
  comm.agree([&] {
    if (comm.is_root()) header = read_header(file);
  });
  if (comm.size() == 1) return header;
  const std::string bytes = comm.broadcast(comm.is_root() ? pack(header) : std::string());
  return comm.is_root() ? header : unpack(bytes);
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
  const Index piece_rows = std::clamp<Index>(piece_bytes / std::max<Index>(1, n * static_cast<Index>(sizeof(T))), 1, std::max<Index>(1, k));
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
      throw Error(fmt::format("{} has no dataset /W: it was written with --save-w false; fit again with --save-w true", file));
    const hdf5::Dataset dataset = matrix(opened, "/W");
    if (dataset.rows() != partition.rows())
      throw Error(fmt::format("{} has {} rows, but X has {}: the model belongs to other data", dataset.place(), dataset.rows(), partition.rows()));
    W = Matrix<T>(partition.local_rows(comm.rank()), dataset.dimensions()[1]);
    Index b = 0;
    while (b < partition.batches()) {  // pieces that follow each other in the file are read in one go
      Range rows = partition.piece(b, comm.rank());
      const Index local = partition.local_begin(b, comm.rank());
      for (++b; b < partition.batches() && partition.piece(b, comm.rank()).begin == rows.end; ++b) rows.end = partition.piece(b, comm.rank()).end;
      if (!rows.empty()) dataset.read_rows(rows, W.row(local));
    }
  });
  return W;
}

template <Scalar T>
Matrix<T> read_model_slice(const Communicator& comm, const std::string& file, const std::string& path, Range rows) {
  Matrix<T> slice;
  comm.agree([&] {
    const hdf5::File opened = hdf5::File::open(file);
    if (!opened.exists(path)) throw Error(fmt::format("{} has no dataset {}: it holds no state to continue from", file, path));
    const hdf5::Dataset dataset = matrix(opened, path);
    if (rows.begin < 0 || rows.end < rows.begin || rows.end > dataset.rows())
      throw Error(fmt::format("{} has {} rows, but rows {} to {} are needed: the file belongs to other data", dataset.place(), dataset.rows(),
                              rows.begin, rows.end));
    slice = Matrix<T>(rows.size(), dataset.dimensions()[1]);
    if (!rows.empty()) dataset.read_rows(rows, slice.data());
  });
  return slice;
}

std::optional<std::string> find_damage(const Communicator& comm, const std::string& file) { return io::find_mismatch(comm, file); }

template Matrix<float> read_model_Ht(const Communicator&, const std::string&);
template Matrix<double> read_model_Ht(const Communicator&, const std::string&);
template Matrix<float> read_model_W(const Communicator&, const std::string&, const RowPartition&);
template Matrix<double> read_model_W(const Communicator&, const std::string&, const RowPartition&);
template Matrix<float> read_model_slice(const Communicator&, const std::string&, const std::string&, Range);
template Matrix<double> read_model_slice(const Communicator&, const std::string&, const std::string&, Range);

}  // namespace scanmf
