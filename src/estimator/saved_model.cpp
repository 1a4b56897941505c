#include "scanmf/estimator/saved_model.hpp"

#include <fmt/format.h>

#include "core/number_text.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf {
namespace {

/// This rank's slice of the columns of X, as PassRunner cuts them.
Range column_slice(const Communicator& comm, Index n_features) {
  const std::vector<Index> offsets = slice_offsets(n_features, comm.size());
  const auto rank = static_cast<std::size_t>(comm.rank());
  return {offsets[rank], offsets[rank + 1]};
}

/// The value of a state attribute. Throws Error when the file has none of this name.
template <class Value>
Value state_value(const ModelHeader& header, const std::string& name) {
  for (const auto& [key, value] : header.state)
    if (const Value* found = key == name ? std::get_if<Value>(&value) : nullptr) return *found;
  throw Error(fmt::format("the model has no '{}' in /state: it cannot be continued", name));
}

}  // namespace

std::string text_of(const Attribute& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* integer = std::get_if<Index>(&value)) return std::to_string(*integer);
  return to_text(std::get<double>(value));
}

Attributes parameter_attributes(const Parameters& parameters, std::uint32_t seed) {
  Parameters used = parameters;
  used.random_state = seed;
  Attributes attributes;
  for (const std::string& name : used.names()) {
    const auto attribute = []<class Value>(const Value& value) -> Attribute {
      if constexpr (std::is_same_v<Value, std::monostate>) {
        return std::string("none");
      } else {
        return value;
      }
    };
    attributes.emplace_back(name, std::visit(attribute, used.value(name)));
  }
  return attributes;
}

Parameters parameters_from(const std::string& estimator, const Attributes& attributes) {
  Parameters parameters;
  parameters.estimator = estimator == option_name(Estimator::minibatch_nmf) ? Estimator::minibatch_nmf : Estimator::nmf;
  for (const auto& [name, value] : attributes) parameters.set(name, text_of(value));
  return parameters;
}

template <Scalar T>
ModelHeader header_of(const FittedModel<T>& model, const ModelContext& context) {
  ModelHeader header;
  header.estimator = option_name(model.parameters.estimator);
  header.dtype = data_type_of<T>;
  header.n_components = model.n_components;
  header.n_features_in = context.n_features;
  header.n_samples = model.n_samples;
  header.n_iter = model.n_iter;
  header.n_steps = model.n_steps;
  header.reconstruction_err = model.reconstruction_err;
  header.converged = model.converged;
  header.params = parameter_attributes(model.parameters, context.seed);
  header.feature_names = context.feature_names;
  header.obs_names = context.row_names;
  header.history = model.history.columns;
  header.provenance = context.provenance;
  header.state = {{"first", model.stop.first},
                  {"last", model.stop.last},
                  {"smoothed_cost", model.stop.smoothed},
                  {"best_cost", model.stop.best},
                  {"without_improvement", model.stop.without_improvement},
                  {"W_updates", model.stop.W_updates}};
  if (model.n_steps) header.state.emplace_back("rho", model.accumulators.rho);
  if (!context.data.empty()) header.state.emplace_back("data", context.data);
  return header;
}

template <Scalar T>
ModelArrays<T> arrays_of(const FittedModel<T>& model, const Communicator& comm, const RowPartition* partition) {
  ModelArrays<T> arrays;
  arrays.Ht = &model.factors.Ht;
  arrays.W = partition != nullptr ? &model.factors.W : nullptr;
  arrays.partition = partition;
  if (model.n_steps) {
    const Index n = model.factors.Ht.rows();
    const Range slice = column_slice(comm, n);
    arrays.state.push_back({"/state/A", n, slice, model.accumulators.A.view()});
    arrays.state.push_back({"/state/B", n, slice, model.accumulators.B.view()});
  }
  return arrays;
}

template <Scalar T>
FittedModel<T> read_fitted_model(const Communicator& comm, const std::string& file, const ModelHeader& header, const RowPartition* partition) {
  FittedModel<T> model;
  comm.agree([&] {
    model.parameters = parameters_from(header.estimator, header.params);
    model.n_components = header.n_components;
    model.n_samples = header.n_samples;
    model.n_iter = header.n_iter;
    model.n_steps = header.n_steps;
    model.reconstruction_err = header.reconstruction_err;
    model.converged = header.converged;
    model.history.columns = header.history;
    model.stop = {state_value<double>(header, "first"),
                  state_value<double>(header, "last"),
                  state_value<double>(header, "smoothed_cost"),
                  state_value<double>(header, "best_cost"),
                  state_value<Index>(header, "without_improvement"),
                  state_value<Index>(header, "W_updates")};
    if (header.n_steps) model.accumulators.rho = state_value<double>(header, "rho");
  });
  model.factors.Ht = read_model_Ht<T>(comm, file);
  if (partition != nullptr) model.factors.W = read_model_W<T>(comm, file, *partition);
  if (header.n_steps) {
    const Range slice = column_slice(comm, header.n_features_in);
    model.accumulators.A = read_model_slice<T>(comm, file, "/state/A", slice);
    model.accumulators.B = read_model_slice<T>(comm, file, "/state/B", slice);
  }
  return model;
}

template ModelHeader header_of(const FittedModel<float>&, const ModelContext&);
template ModelHeader header_of(const FittedModel<double>&, const ModelContext&);
template ModelArrays<float> arrays_of(const FittedModel<float>&, const Communicator&, const RowPartition*);
template ModelArrays<double> arrays_of(const FittedModel<double>&, const Communicator&, const RowPartition*);
template FittedModel<float> read_fitted_model(const Communicator&, const std::string&, const ModelHeader&, const RowPartition*);
template FittedModel<double> read_fitted_model(const Communicator&, const std::string&, const ModelHeader&, const RowPartition*);

}  // namespace scanmf
