#include "scanmf/ensemble/ensemble_file.hpp"
#include "scanmf/parallel/ordered_sum.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "io/checksums.hpp"
#include "io/hdf5.hpp"

namespace scanmf {
namespace {

[[noreturn]] void refuse(const std::string& file, const std::string& what) {
  throw Error(fmt::format("{}: {}; the file is damaged or was changed: run the ensemble again", file, what));
}

template <class Value>
Value root_attribute(const hdf5::File& file, const char* name) {
  const auto value = file.read_attribute("/", name);
  const Value* const found = value ? std::get_if<Value>(&*value) : nullptr;
  if (found == nullptr) refuse(file.name(), fmt::format("attribute {} is missing or of another type", name));
  return *found;
}

Attributes attributes_of(const hdf5::File& file, const std::string& group) {
  Attributes attributes;
  if (!file.is_group(group)) refuse(file.name(), fmt::format("there is no group {}", group));
  for (const std::string& name : file.attribute_names(group))
    if (auto value = file.read_attribute(group, name)) attributes.emplace_back(name, *value);
  return attributes;
}

template <class Value>
std::vector<Value> column_of(const hdf5::File& file, const std::string& name, std::size_t length) {
  const std::string path = "/table/" + name;
  if (!file.is_dataset(path)) refuse(file.name(), fmt::format("there is no dataset {}", path));
  const hdf5::Dataset dataset = file.dataset(path);
  if (dataset.dimensions().size() != 1 || (length > 0 && static_cast<std::size_t>(dataset.rows()) != length) ||
      !dataset.type().is_number())
    refuse(file.name(), fmt::format("{} is no column of {} numbers", path, length));
  dataset.check_stored();
  return dataset.read_all<Value>();
}

std::vector<std::string> names_of(const hdf5::File& file, const std::string& path, Index count) {
  if (!file.is_dataset(path)) return {};
  std::vector<std::string> names = file.read_strings(path);
  if (static_cast<Index>(names.size()) != count)
    refuse(file.name(), fmt::format("{} has {} names for {}", path, names.size(), count));
  return names;
}

/// Numbers of components as the writer leaves them.
std::vector<Index> ks_of(const hdf5::File& file) {
  const auto ks = column_of<Index>(file, "k", 0);
  if (file.dataset("/table/k").type().kind != hdf5::ElementClass::integer || ks.empty() || ks.front() < 1 ||
      std::ranges::adjacent_find(ks, std::greater_equal()) != ks.end())
    refuse(file.name(), "/table/k is no list of ascending whole numbers above 0");
  return ks;
}

/// The value of a root attribute that is the name of one of `all`.
template <class Value, class Name>
Value named_attribute(const hdf5::File& file, const char* attribute, std::initializer_list<Value> all, Name&& name_of) {
  const auto found = root_attribute<std::string>(file, attribute);
  for (const Value one : all)
    if (found == name_of(one)) return one;
  refuse(file.name(), fmt::format("attribute {} is '{}', which is not known", attribute, found));
}

EnsembleFile read_local(const std::string& name) {
  const hdf5::File file = hdf5::File::open(name);
  EnsembleFile result;
  result.file = name;
  if (const Index version = root_attribute<Index>(file, "format_version"); version != 1)
    throw Error(fmt::format("{}: ensemble files of version {} are not known to this program, which reads version 1",
                            name, version));
  result.dtype = named_attribute(file, "dtype", {DataType::float32, DataType::float64},
                                 [](DataType type) { return name_of(type); });
  result.n_samples = root_attribute<Index>(file, "n_samples");
  result.n_features = root_attribute<Index>(file, "n_features_in");
  result.replicates = root_attribute<Index>(file, "replicates");
  result.estimator = named_attribute(file, "estimator", {Estimator::nmf, Estimator::minibatch_nmf}, option_name);
  result.select = name_of(named_attribute(file, "select",
                                          {Selection::stability, Selection::bi_cross_validation, Selection::speckled},
                                          [](Selection selection) { return name_of(selection); }));
  if (result.n_samples < 1 || result.n_features < 1 || result.replicates < 1) refuse(name, "a size is below 1");
  const std::vector<Index> ks = ks_of(file);
  for (const Index k : ks) result.table.push_back({.k = k});
  for (const TableColumn& column : ensemble_table_columns()) {
    if (column.is_optional && !file.is_dataset(std::string("/table/") + column.name)) continue;
    const auto values = column_of<double>(file, column.name, ks.size());
    for (std::size_t i = 0; i < ks.size(); ++i) result.table[i].*column.value = values[i];
  }
  if (const Index chosen = root_attribute<Index>(file, "chosen_k"); chosen != 0) {
    if (std::ranges::find(ks, chosen) == ks.end())
      refuse(name, fmt::format("attribute chosen_k is {}, which is none of /table/k", chosen));
    result.chosen_k = chosen;
  }
  result.params = attributes_of(file, "/params");
  result.provenance = attributes_of(file, "/provenance");
  result.feature_names = names_of(file, "/feature_names", result.n_features);
  result.row_names = names_of(file, "/obs_names", result.n_samples);
  return result;
}

/// The header of a model of the consensus: what a fit with this k would say.
ModelHeader model_header(const EnsembleFile& ensemble, const MeasuresOfK& one, const Attributes& provenance) {
  ModelHeader header;
  header.estimator = option_name(ensemble.estimator);
  header.dtype = ensemble.dtype;
  header.n_components = one.k;
  header.n_features_in = ensemble.n_features;
  header.n_samples = ensemble.n_samples;
  header.reconstruction_err = one.reconstruction_err;
  header.converged = true;
  for (const std::string& name : Parameters::names(ensemble.estimator)) {
    const auto found = std::ranges::find(ensemble.params, name, &Attributes::value_type::first);
    if (found == ensemble.params.end()) refuse(ensemble.file, fmt::format("attribute {} of /params is missing", name));
    header.params.push_back(name == "n_components" ? Attributes::value_type{name, one.k} : *found);
  }
  header.feature_names = ensemble.feature_names;
  header.obs_names = ensemble.row_names;
  header.provenance = provenance;
  return header;
}

/// A model of mini-batches that has learned nothing beyond its H: what a first step begins with.
template <Scalar T>
void start_learning(const Communicator& comm, const ModelHeader& header, const Parameters& parameters,
                    FittedModel<T>& model) {
  const Matrix<T>& Ht = model.factors.Ht;
  const Range slice = column_slice(comm, Ht.rows());
  Matrix<T> A(slice.size(), Ht.columns());
  if (!slice.empty()) std::copy_n(Ht.row(slice.begin), slice.size() * Ht.columns(), A.data());
  model.state.arrays.push_back({"A", std::move(A)});
  model.state.arrays.push_back({"B", Matrix<T>(slice.size(), Ht.columns(), T{1})});
  const Index batch_rows = std::min(parameters.batch_size, header.n_samples);
  set_number(
      model.state.numbers, "rho",
      std::pow(parameters.forget_factor, static_cast<double>(batch_rows) / static_cast<double>(header.n_samples)));
  model.n_steps = 0;
}

}  // namespace

bool is_ensemble_file(const Communicator& comm, const std::string& file) {
  Index found = 0;
  comm.agree([&] {
    if (!comm.is_root()) return;
    try {
      found = hdf5::File::open(file).read_string_attribute("/", "format") == "scanmf-ensemble" ? 1 : 0;
    } catch (const Error&) {
      found = 0;  // whoever reads it next says what is wrong
    }
  });
  comm.broadcast(std::span<Index>(&found, 1));
  return found != 0;
}

EnsembleFile read_ensemble(const Communicator& comm, const std::string& file) {
  const bool sealed = io::refuse_damaged(comm, file);
  if (!is_ensemble_file(comm, file))
    throw AgreedError(fmt::format("'{}' is no ensemble file of this program (scanmf ensemble writes them)", file));
  if (!sealed)
    throw AgreedError(
        fmt::format("'{}' has no checksums: another program wrote it again, or it is not whole: take the file that "
                    "scanmf ensemble wrote",
                    file));
  EnsembleFile result;
  comm.agree([&] { result = read_local(file); });
  return result;
}

template <Scalar T>
void write_consensus(const Communicator& comm, const EnsembleFile& ensemble, Index k, const std::string& target,
                     const Attributes& provenance, bool with_W) {
  const auto one = std::ranges::find(ensemble.table, k, &MeasuresOfK::k);
  if (one == ensemble.table.end()) {
    std::vector<Index> ks;
    for (const MeasuresOfK& other : ensemble.table) ks.push_back(other.k);
    throw AgreedError(fmt::format("{} has no k = {}: it has {} (option '-k')", ensemble.file, k, fmt::join(ks, ", ")));
  }
  if (std::isnan(one->error))
    throw AgreedError(
        fmt::format("{}: k = {} has no consensus: too few spectra lie close to others (option '-k' names another)",
                    ensemble.file, k));
  const std::string group = fmt::format("/k{}/", k);
  for (const auto& [name, expected] : {std::pair{"H", Shape{k, ensemble.n_features}}, {"W", {ensemble.n_samples, k}}}) {
    const auto found = dataset_info(comm, ensemble.file, group + name);
    if (!found || found->dimensions != std::vector<Index>{expected.rows, expected.columns} ||
        found->data_type != ensemble.dtype)
      throw AgreedError(fmt::format("{}: {}{} is missing, or is no {} x {} matrix of {}: the file is damaged",
                                    ensemble.file, group, name, expected.rows, expected.columns,
                                    name_of(ensemble.dtype)));
  }
  const RowPartition partition = RowPartition::even(ensemble.n_samples, comm.size());
  const Matrix<T> H = read_replicated_matrix<T>(comm, ensemble.file, group + "H");
  FittedModel<T> model;
  if (with_W) model.factors.W = read_local_rows<T>(comm, ensemble.file, group + "W", partition);
  model.factors.Ht = Matrix<T>(H.columns(), H.rows());
  for (Index c = 0; c < H.rows(); ++c)
    for (Index j = 0; j < H.columns(); ++j) model.factors.Ht(j, c) = H(c, j);
  ModelHeader header;
  comm.agree([&] {
    for (const auto& [name, factor] : {std::pair{"H", &model.factors.Ht}, {"W", &model.factors.W}})
      if (!std::ranges::all_of(factor->span(), [](T value) { return value >= 0 && std::isfinite(value); }))
        refuse(ensemble.file, fmt::format("{}{} has elements that are no finite numbers >= 0", group, name));
    header = model_header(ensemble, *one, provenance);
    const Parameters parameters = parameters_from(ensemble.file, header);
    if (ensemble.estimator == Estimator::minibatch_nmf) start_learning(comm, header, parameters, model);
  });
  header.n_steps = model.n_steps;
  // Numbers of /state that every model has.
  header.state = header_of(model, {}).state;
  write_model(comm, target, header, arrays_of(model, comm, with_W ? &partition : nullptr));
}

template void write_consensus<float>(const Communicator&, const EnsembleFile&, Index, const std::string&,
                                     const Attributes&, bool);
template void write_consensus<double>(const Communicator&, const EnsembleFile&, Index, const std::string&,
                                      const Attributes&, bool);

}  // namespace scanmf
