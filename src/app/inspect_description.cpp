#include "app/inspect_description.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <numeric>
#include <optional>
#include <span>

#include "app/ensemble_table.hpp"
#include "app/top_features.hpp"
#include "core/number_text.hpp"
#include "ensemble/replicate_store.hpp"
#include "io/checksums.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/data/matrix_file.hpp"
#include "scanmf/ensemble/ensemble_file.hpp"
#include "scanmf/model/checkpoint.hpp"
#include "scanmf/model/model_file.hpp"

namespace scanmf::app {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t shown_history = 5;

Json json_of(const Attribute& value) {
  return std::visit([](const auto& v) { return Json(v); }, value);
}

Json json_of(const Attributes& attributes) {
  Json result = Json::object();
  for (const auto& [name, value] : attributes) result[name] = json_of(value);
  return result;
}

Json first_of(const std::vector<std::string>& names) {
  return std::vector<std::string>(names.begin(),
                                  names.begin() + static_cast<std::ptrdiff_t>(std::min(names.size(), shown_names)));
}

Json json_of(const ListedMatrix& matrix) {
  Json result = {{"path", matrix.path}};
  if (!matrix.element_type.empty()) {
    result["shape"] = {matrix.shape.rows, matrix.shape.columns};
    result["sparse"] = matrix.sparse;
    result["element_type"] = matrix.element_type;
    result["integers"] = matrix.integers;
    result["transposed"] = matrix.transposed;
  }
  if (!matrix.writer.empty()) result["writer"] = matrix.writer;
  if (!matrix.hindrance.empty()) result["hindrance"] = matrix.hindrance;
  return result;
}

Json json_of(const std::vector<ListedMatrix>& matrices) {
  Json list = Json::array();
  for (const ListedMatrix& matrix : matrices) list.push_back(json_of(matrix));
  return list;
}

Json describe_data(const MatrixDescription& x, const std::vector<ListedMatrix>& matrices) {
  const char* formats[] = {"dense", "csr", "csc", "npy"};
  const double elements =
      static_cast<double>(x.shape.rows) * static_cast<double>(x.columns.empty() ? x.shape.columns : x.columns_in_file);
  Json result = {
      {"kind", data_kind}, {"file", x.file}, {"path", x.path}, {"format", formats[static_cast<int>(x.format)]}};
  result["shape"] = {x.shape.rows, x.shape.columns};
  result["transposed"] = x.transposed;
  result["element_type"] = x.element_type;
  result["computed_in"] = name_of(x.data_type);
  result["stored"] = x.stored;
  result["density"] = static_cast<double>(x.stored) / elements;
  result["layout"] = x.layout;
  result["feature_names"] = {{"count", x.feature_names.size()}, {"first", first_of(x.feature_names)}};
  result["obs_names"] = {{"count", x.row_names.size()}, {"first", first_of(x.row_names)}};
  result["matrices"] = json_of(matrices);
  return result;
}

/// The features with the largest weights in each component, by names where there are some, else by numbers.
Json json_of_top(const Matrix<double>& Ht, const std::vector<std::string>& names, Index most) {
  Json result = Json::array();
  for (Index c = 0; c < Ht.columns(); ++c) {
    Json component = Json::array();
    for (const Index j : top_features(Ht, c, most)) {
      Json feature = {{"feature", j}};
      if (!names.empty()) feature["name"] = names[static_cast<std::size_t>(j)];
      feature["weight"] = Ht(j, c);
      component.push_back(feature);
    }
    result.push_back(component);
  }
  return result;
}

/// The iterations at which every column has a value: mu evaluates its error at every tenth only, with tol 0 never.
std::vector<std::size_t> evaluated_iterations(const ModelHeader& header) {
  std::vector<std::size_t> result;
  const std::size_t all = header.history.empty() ? 0 : header.history.front().second.size();
  const auto is_missing = [](double value) { return std::isnan(value); };
  const auto lacks = [&](const std::vector<double>& column, std::size_t i) {
    return is_missing(column[i]) && !std::ranges::all_of(column, is_missing);
  };
  for (std::size_t i = 0; i < all; ++i)
    if (std::ranges::none_of(header.history, [&](const auto& column) { return lacks(column.second, i); }))
      result.push_back(i);
  return result;
}

/// The last entries of each column.
Json history_tail(const ModelHeader& header) {
  const std::vector<std::size_t> iterations = evaluated_iterations(header);
  const std::size_t first = iterations.size() - std::min(iterations.size(), shown_history);
  Json result = Json::object();
  for (const auto& [name, values] : header.history) {
    Json& tail = result[name] = Json::array();
    for (std::size_t i = first; i < iterations.size(); ++i) {
      const double value = values[iterations[i]];
      tail.push_back(std::isnan(value) ? Json() : Json(value));
    }
  }
  return result;
}

/// The error of a running fit, or of a model that learns chunk after chunk, is not known.
Json known_error(const ModelHeader& header) {
  const bool known = !is_checkpoint(header) && !std::isnan(header.reconstruction_err);
  return known ? Json(header.reconstruction_err) : Json();
}

Json describe_model(const Communicator& comm, const std::string& file, Index most_features) {
  const ModelHeader header = read_model_header(comm, file);
  const Matrix<double> Ht = read_model_Ht<double>(comm, file);
  const char* const kind = header.estimator.empty() ? "factors" : is_checkpoint(header) ? "checkpoint" : "model";
  Json result = {{"kind", kind}, {"file", file}};
  if (!header.estimator.empty()) {
    result["estimator"] = header.estimator;
    result["dtype"] = name_of(header.dtype);
    result["n_samples"] = header.n_samples;
    result["n_iter"] = header.n_iter;
    if (header.n_steps) result["n_steps"] = *header.n_steps;
    result["reconstruction_err"] = known_error(header);
    result["converged"] = header.converged;
    result["params"] = json_of(header.params);
    result["provenance"] = json_of(header.provenance);
    result["history"] = history_tail(header);
  }
  result["n_components"] = header.n_components;
  result["n_features_in"] = header.n_features_in;
  result["feature_names"] = {{"count", header.feature_names.size()}, {"first", first_of(header.feature_names)}};
  result["obs_names"] = {{"count", header.obs_names.size()}, {"first", first_of(header.obs_names)}};
  result["top_features"] = json_of_top(Ht, header.feature_names, most_features);
  return result;
}

/// "FILE:/path" names a matrix in any case.
bool names_matrix(const std::string& input) { return input.find(":/") != std::string::npos; }

/// A file with /X is one with a matrix in any case.
bool holds_factors(const Communicator& comm, const std::string& input) {
  if (names_matrix(input)) return false;
  io::refuse_damaged(comm, input);
  const std::optional<DatasetInfo> H = dataset_info(comm, input, "/H");
  return H && H->dimensions.size() == 2 && !dataset_info(comm, input, "/X");
}

Json describe_ensemble(const EnsembleFile& ensemble) {
  Json result = {{"kind", ensemble_kind}, {"file", ensemble.file}};
  result["dtype"] = name_of(ensemble.dtype);
  result["n_samples"] = ensemble.n_samples;
  result["n_features_in"] = ensemble.n_features;
  result["replicates"] = ensemble.replicates;
  result["select"] = ensemble.select;
  result["chosen_k"] = ensemble.chosen_k ? Json(*ensemble.chosen_k) : Json();
  result["params"] = json_of(ensemble.params);
  result["provenance"] = json_of(ensemble.provenance);
  result["feature_names"] = {{"count", ensemble.feature_names.size()}, {"first", first_of(ensemble.feature_names)}};
  result["obs_names"] = {{"count", ensemble.row_names.size()}, {"first", first_of(ensemble.row_names)}};
  result["table"] = table_json(ensemble.table);
  return result;
}

/// Collective. nullopt: it is no checkpoint of an ensemble. Root alone knows more than its kind.
std::optional<Json> describe_store(const Communicator& comm, const std::string& file) {
  std::optional<StoreContents> contents;
  Index is_store = 0;
  comm.agree([&] {
    std::error_code ignored;
    if (!comm.is_root() || !std::filesystem::is_regular_file(file, ignored)) return;
    contents = look_at_store(file);
    is_store = contents ? 1 : 0;
  });
  comm.broadcast(std::span<Index>(&is_store, 1));
  if (is_store == 0) return std::nullopt;
  Json result = {{"kind", ensemble_checkpoint_kind}, {"file", file}};
  if (!contents) return result;
  Json params = json_of(contents->belongs_to);
  for (const char* const name : {"X", "dtype"}) result[name] = params[name];
  result["random_state"] = parse_index(params.value("random_state", "")).value_or(0);
  for (const char* const name : {"X", "dtype", "random_state", "k", "replicates"}) params.erase(name);
  result["replicates"] = contents->layout.replicates;
  result["replicates_done"] = contents->all_done();
  result["replicates_to_do"] = contents->layout.count() - contents->all_done();
  result["params"] = std::move(params);
  Json& table = result["table"] = Json::array();
  for (std::size_t i = 0; i < contents->done.size(); ++i)
    table.push_back({{"k", contents->layout.ks[i]}, {"replicates_done", contents->done[i]}});
  return result;
}

/// A file without /X in which several matrices can be read is described by its list; any other failure is one.
Json describe_matrices(const Communicator& comm, const std::string& input, const InputOptions& options) {
  std::vector<ListedMatrix> matrices;
  try {
    const MatrixDescription x = describe_matrix(comm, input, "NMF", options);
    comm.agree([&] {
      if (comm.is_root() && x.format != FileFormat::npy) matrices = list_matrices(x.file);
    });
    return describe_data(x, matrices);
  } catch (const AgreedError& error) {
    Index readable = 0;
    std::error_code ignored;
    comm.agree([&] {
      if (!comm.is_root() || !std::filesystem::is_regular_file(input, ignored)) return;
      try {
        matrices = list_matrices(input);
      } catch (const Error&) {
        return;  // the first one says why
      }
      readable = std::ranges::count_if(matrices, [](const ListedMatrix& matrix) { return matrix.hindrance.empty(); });
    });
    comm.broadcast(std::span<Index>(&readable, 1));
    if (readable < 2) throw;
    return {{"kind", data_kind}, {"file", input}, {"note", error.what()}, {"matrices", json_of(matrices)}};
  }
}

}  // namespace

Json describe_file(const Communicator& comm, const std::string& input, const InputOptions& options,
                   Index most_features) {
  if (std::optional<Json> store = describe_store(comm, input)) return *store;
  if (holds_factors(comm, input)) return describe_model(comm, input, most_features);
  const bool is_ensemble = !names_matrix(input) && is_ensemble_file(comm, input);
  return is_ensemble ? describe_ensemble(read_ensemble(comm, input)) : describe_matrices(comm, input, options);
}

namespace {

Json parameter_text(const ModelHeader& header, const char* name) {
  const Attribute* const value = find_attribute(header.params, name);
  return value == nullptr ? Json() : Json(text_of(*value));
}

}  // namespace

Json describe_models(const Communicator& comm, const std::vector<std::string>& files) {
  Json rows = Json::array();
  for (const std::string& file : files) {
    if (!holds_factors(comm, file))
      throw AgreedError(fmt::format("'{}' is no model: several files are compared as models, others one by one", file));
    const ModelHeader header = read_model_header(comm, file);
    if (header.estimator.empty()) throw AgreedError(fmt::format("'{}' holds factors, but no model of a fit", file));
    double seconds = 0;
    for (const auto& [name, values] : header.history)
      if (name == "seconds") seconds = std::accumulate(values.begin(), values.end(), 0.0);
    rows.push_back({{"file", file},
                    {"estimator", header.estimator},
                    {"solver", parameter_text(header, "solver")},
                    {"beta_loss", parameter_text(header, "beta_loss")},
                    {"n_components", header.n_components},
                    {"reconstruction_err", known_error(header)},
                    {"n_iter", header.n_iter},
                    {"converged", header.converged},
                    {"seconds", seconds}});
  }
  return rows;
}

}  // namespace scanmf::app
