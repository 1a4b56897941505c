#include "ensemble/ensemble_writer.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "model/write_arrays.hpp"

namespace scanmf {
namespace {

Attributes root_attributes(const EnsembleHeader& header, Index replicates, DataType type) {
  return {{"format", std::string("scanmf-ensemble")},
          {"format_version", Index{1}},
          {"replicates", replicates},
          {"estimator", std::string(option_name(header.estimator))},
          {"chosen_k", header.chosen_k.value_or(0)},
          {"select", header.select},
          {"n_samples", header.x.shape.rows},
          {"n_features_in", header.x.shape.columns},
          {"dtype", std::string(name_of(type))}};
}

}  // namespace

template <Scalar T>
std::size_t EnsembleWriter<T>::add(const std::string& path, std::vector<Index> dimensions, io::StoredType type) {
  layout_.datasets.push_back({path, std::move(dimensions), type});
  return layout_.datasets.size() - 1;
}

template <Scalar T>
void EnsembleWriter<T>::add_group(Index k_number, bool has_consensus, bool save_replicates) {
  const StoreLayout& replicates = store_.layout();
  const Index k = replicates.ks[static_cast<std::size_t>(k_number)];
  const Index R = replicates.replicates;
  const std::string path = fmt::format("/k{}/", k);
  Group group;
  if (has_consensus) {
    group.H = add(path + "H", {k, replicates.columns}, stored_type<T>);
    group.W = add(path + "W", {rows_, k}, stored_type<T>);
    group.cluster_stability = add(path + "cluster_stability", {k}, io::StoredType::float64);
  }
  if (save_replicates) group.spectra = add(path + "spectra", {R * k, replicates.columns}, stored_type<T>);
  group.first = add(path + "seeds", {R}, io::StoredType::int64);
  add(path + "errors", {R}, io::StoredType::float64);
  add(path + "n_iter", {R}, io::StoredType::int64);
  add(path + "converged", {R}, io::StoredType::flag);
  add(path + "density", {R * k}, io::StoredType::float64);
  add(path + "kept", {R * k}, io::StoredType::flag);
  add(path + "labels", {R * k}, io::StoredType::int64);
  groups_.push_back(group);
}

template <Scalar T>
EnsembleWriter<T>::EnsembleWriter(const Communicator& comm, const std::string& target, const ReplicateStore& store,
                                  const EnsembleHeader& header, const std::vector<Consensus<T>>& all,
                                  std::span<const MeasuresOfK> table)
    : comm_(comm), store_(store), rows_(header.x.shape.rows) {
  const StoreLayout& replicates = store.layout();
  const auto numbers = static_cast<Index>(replicates.ks.size());
  for (Index i = 0; i < numbers; ++i) add_group(i, all[static_cast<std::size_t>(i)].is_there(), header.save_replicates);
  table_ = add("/table/k", {numbers}, io::StoredType::int64);
  for (const TableColumn& column : ensemble_table_columns()) {
    const auto is_known = [&](const MeasuresOfK& one) { return !std::isnan(one.*column.value); };
    if (column.is_optional && std::ranges::none_of(table, is_known)) continue;
    columns_.push_back(column);
    add(fmt::format("/table/{}", column.name), {numbers}, io::StoredType::float64);
  }
  const std::size_t names = layout_.datasets.size();
  for (const auto& [path, values] :
       {std::pair{"/feature_names", &header.x.feature_names}, std::pair{"/obs_names", &header.x.row_names}})
    if (!values->empty()) layout_.datasets.push_back(names_layout(path, *values));
  for (const char* group : {"/params", "/provenance"}) layout_.groups.push_back({group});
  layout_.attributes = {{"/", root_attributes(header, replicates.replicates, data_type_of<T>)},
                        {"/params", header.params},
                        {"/provenance", cut_to_fit(header.provenance)}};
  file_ = std::make_unique<io::OutputFile>(comm, target, layout_);
  comm.agree([&] {
    if (!comm.is_root()) return;
    std::size_t next = names;
    for (const auto* values : {&header.x.feature_names, &header.x.row_names}) {
      if (values->empty()) continue;
      write_names(*file_, next, *values, layout_.datasets[next].text_bytes);
      ++next;
    }
  });
}

template <Scalar T>
template <class Value>
void EnsembleWriter<T>::write_column(std::size_t dataset, const std::vector<Value>& values) {
  file_->write(dataset, 0, std::as_bytes(std::span(values)));
}

/// Replicates are shared out over ranks.
template <Scalar T>
void EnsembleWriter<T>::write_spectra(Index k_number) {
  const StoreLayout& layout = store_.layout();
  const Index k = layout.ks[static_cast<std::size_t>(k_number)];
  constexpr Index piece = Index{1} << 19;
  std::vector<T> row(static_cast<std::size_t>(std::min(piece, layout.columns)));
  for (Index r = comm_.rank(); r < layout.replicates; r += comm_.size()) {
    for (Index c = 0; c < k; ++c) {
      for (Index begin = 0; begin < layout.columns; begin += piece) {
        const Range columns{begin, std::min(layout.columns, begin + piece)};
        store_.read(k_number * layout.replicates + r, c, columns, row.data());
        const Index first = ((r * k + c) * layout.columns + begin) * static_cast<Index>(sizeof(T));
        file_->write(*groups_[static_cast<std::size_t>(k_number)].spectra, first,
                     std::as_bytes(std::span(row).first(static_cast<std::size_t>(columns.size()))));
      }
    }
  }
}

template <Scalar T>
void EnsembleWriter<T>::write_W(std::size_t dataset, const Matrix<T>& W, const RowPartition& partition, int rank) {
  for (Index batch = 0; batch < partition.batches(); ++batch) {
    const Range rows = partition.piece(batch, rank);
    const Index first = partition.local_begin(batch, rank);
    if (!rows.empty()) write_rows<T>(*file_, dataset, rows.begin, W.view().middle_rows({first, first + rows.size()}));
  }
}

template <Scalar T>
void EnsembleWriter<T>::write(Index k_number, const Consensus<T>& consensus, const Matrix<T>& W,
                              const RowPartition* partition, int rank) {
  const Group& group = groups_[static_cast<std::size_t>(k_number)];
  const Index R = store_.layout().replicates;
  std::vector<Index> seeds, iterations;
  std::vector<double> errors;
  std::vector<std::uint8_t> converged, kept;
  for (Index r = 0; r < R; ++r) {
    const Replicate& one = *store_.at(k_number * R + r);
    seeds.push_back(one.seed);
    errors.push_back(one.error);
    iterations.push_back(one.n_iter);
    converged.push_back(one.converged ? 1 : 0);
  }
  for (const Index label : consensus.labels) kept.push_back(label >= 0 ? 1 : 0);
  comm_.agree([&] {
    if (group.spectra) write_spectra(k_number);
    if (group.W && partition != nullptr) write_W(*group.W, W, *partition, rank);
    if (!comm_.is_root()) return;
    if (group.H) {
      Matrix<T> H(consensus.Ht.columns(), consensus.Ht.rows());
      for (Index j = 0; j < H.columns(); ++j)
        for (Index c = 0; c < H.rows(); ++c) H(c, j) = consensus.Ht(j, c);
      write_rows<T>(*file_, *group.H, 0, H.view());
      write_column(*group.cluster_stability, consensus.cluster_stability);
    }
    std::size_t next = group.first;
    write_column(next++, seeds);
    write_column(next++, errors);
    write_column(next++, iterations);
    write_column(next++, converged);
    write_column(next++, consensus.density);
    write_column(next++, kept);
    write_column(next++, consensus.labels);
  });
}

template <Scalar T>
void EnsembleWriter<T>::commit(std::span<const MeasuresOfK> table) {
  comm_.agree([&] {
    if (!comm_.is_root()) return;
    std::vector<Index> ks;
    for (const MeasuresOfK& one : table) ks.push_back(one.k);
    std::size_t next = table_;
    write_column(next++, ks);
    for (const TableColumn& column : columns_) {
      std::vector<double> values;
      for (const MeasuresOfK& one : table) values.push_back(one.*column.value);
      write_column(next++, values);
    }
  });
  file_->commit();
}

template class EnsembleWriter<float>;
template class EnsembleWriter<double>;

}  // namespace scanmf
