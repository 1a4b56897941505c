#include <algorithm>

#include "io/output_file.hpp"
#include "model/write_arrays.hpp"
#include "scanmf/model/model_file.hpp"

namespace scanmf {
namespace {

/// Where the datasets of a model are in its layout; the history follows from `history` on.
struct ModelLayout {
  io::FileLayout file;
  std::size_t H = 0;
  std::optional<std::size_t> W;
  std::size_t state = 0;
  std::optional<std::size_t> feature_names;
  std::optional<std::size_t> obs_names;
  std::size_t history = 0;

  std::size_t add(io::DatasetLayout dataset) {
    file.datasets.push_back(std::move(dataset));
    return file.datasets.size() - 1;
  }
};

Attributes root_attributes(const ModelHeader& header, DataType type) {
  Attributes attributes{{"format", std::string(model_format_name)},
                        {"format_version", model_format_version},
                        {"schema_release", model_schema_release},
                        {"estimator", header.estimator},
                        {"n_components", header.n_components},
                        {"n_features_in", header.n_features_in},
                        {"n_samples", header.n_samples},
                        {"n_iter", header.n_iter},
                        {"reconstruction_err", header.reconstruction_err},
                        {"converged", header.converged},
                        {"dtype", std::string(name_of(type))}};
  if (header.n_steps) attributes.emplace_back("n_steps", *header.n_steps);
  return attributes;
}

template <Scalar T>
ModelLayout lay_out(const ModelHeader& header, const ModelArrays<T>& arrays) {
  ModelLayout layout;
  const Shape shape{arrays.Ht->columns(), arrays.Ht->rows()};
  layout.H = layout.add({"/H", {shape.rows, shape.columns}, stored_type<T>});
  if (arrays.W != nullptr)
    layout.W = layout.add({"/W", {arrays.partition->rows(), arrays.W->columns()}, stored_type<T>});
  layout.state = layout.file.datasets.size();
  for (const ArraySlice<T>& slice : arrays.state)
    layout.add({slice.path, {slice.total_rows, slice.values.columns}, stored_type<T>});
  if (!header.feature_names.empty())
    layout.feature_names = layout.add(names_layout("/feature_names", header.feature_names));
  if (!header.obs_names.empty()) layout.obs_names = layout.add(names_layout("/obs_names", header.obs_names));
  layout.history = layout.file.datasets.size();
  for (const auto& [name, values] : header.history)
    layout.add({"/history/" + name, {static_cast<Index>(values.size())}, io::StoredType::float64});
  for (const char* group : {"/params", "/history", "/state", "/provenance"}) layout.file.groups.push_back({group});
  layout.file.attributes = {{"/", root_attributes(header, data_type_of<T>)},
                            {"/params", header.params},
                            {"/state", header.state},
                            {"/provenance", cut_to_fit(header.provenance)}};
  return layout;
}

/// Local. This rank's share of H (k × n) from Ht (n × k): whole column blocks, transposed one by one while they are in
/// cache.
template <Scalar T>
void write_H(const Communicator& comm, io::OutputFile& file, std::size_t dataset, const Matrix<T>& Ht) {
  constexpr Index block_columns = 8192;
  const Index n = Ht.rows();
  const Index k = Ht.columns();
  const std::vector<Index> shares = slice_offsets(n, comm.size(), block_columns);
  const Range mine{shares[static_cast<std::size_t>(comm.rank())], shares[static_cast<std::size_t>(comm.rank()) + 1]};
  Matrix<T> block(k, std::min(block_columns, mine.size()));
  for (Index begin = mine.begin; begin < mine.end; begin += block_columns) {
    const Index columns = std::min(block_columns, mine.end - begin);
    const MatrixView<T> H(block.data(), k, columns);
    for (Index j = 0; j < columns; ++j)
      for (Index c = 0; c < k; ++c) H(c, j) = Ht(begin + j, c);
    if (columns == n) {
      write_rows<T>(file, dataset, 0, H);
      continue;
    }
    for (Index c = 0; c < k; ++c)
      file.write(dataset, (c * n + begin) * static_cast<Index>(sizeof(T)),
                 std::as_bytes(std::span(H.row(c), static_cast<std::size_t>(columns))));
  }
}

/// Local. This rank's rows of W at their places: runs of rows that follow each other both in memory and in the file are
/// written in one go.
template <Scalar T>
void write_W(const Communicator& comm, io::OutputFile& file, std::size_t dataset, const Matrix<T>& W,
             const RowPartition& partition) {
  Range run;
  Index run_local = 0;
  const auto flush = [&] {
    if (!run.empty())
      write_rows<T>(file, dataset, run.begin, W.view().middle_rows({run_local, run_local + run.size()}));
  };
  for (Index b = 0; b < partition.batches(); ++b) {
    const Range piece = partition.piece(b, comm.rank());
    if (piece.empty()) continue;
    if (piece.begin == run.end && !run.empty()) {
      run.end = piece.end;
      continue;
    }
    flush();
    run = piece;
    run_local = partition.local_begin(b, comm.rank());
  }
  flush();
}

/// Root. What only one rank writes: names and history.
void write_small_arrays(io::OutputFile& file, const ModelLayout& layout, const ModelHeader& header) {
  const auto names = [&](std::optional<std::size_t> dataset, const std::vector<std::string>& values) {
    if (dataset) write_names(file, *dataset, values, layout.file.datasets[*dataset].text_bytes);
  };
  names(layout.feature_names, header.feature_names);
  names(layout.obs_names, header.obs_names);
  for (std::size_t i = 0; i < header.history.size(); ++i)
    file.write(layout.history + i, 0, std::as_bytes(std::span(header.history[i].second)));
}

}  // namespace

template <Scalar T>
void write_model(const Communicator& comm, const std::string& target, const ModelHeader& header,
                 const ModelArrays<T>& arrays, bool keep_previous,
                 const std::function<void(const std::string& file)>& look) {
  const ModelLayout layout = lay_out(header, arrays);
  io::OutputFile file(comm, target, layout.file, keep_previous ? io::Previous::kept : io::Previous::replaced);
  comm.agree([&] {
    write_H(comm, file, layout.H, *arrays.Ht);
    if (layout.W) write_W(comm, file, *layout.W, *arrays.W, *arrays.partition);
    for (std::size_t i = 0; i < arrays.state.size(); ++i)
      write_rows(file, layout.state + i, arrays.state[i].rows.begin, arrays.state[i].values);
    if (comm.is_root()) write_small_arrays(file, layout, header);
  });
  file.commit(look);
}

template void write_model(const Communicator&, const std::string&, const ModelHeader&, const ModelArrays<float>&, bool,
                          const std::function<void(const std::string&)>&);
template void write_model(const Communicator&, const std::string&, const ModelHeader&, const ModelArrays<double>&, bool,
                          const std::function<void(const std::string&)>&);

}  // namespace scanmf
