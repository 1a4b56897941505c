#include "scanmf/estimator/saved_model.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

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

const Attribute* find(const Attributes& attributes, const std::string& name) {
  const auto found = std::ranges::find(attributes, name, &Attributes::value_type::first);
  return found == attributes.end() ? nullptr : &found->second;
}

[[noreturn]] void refuse(const std::string& file, const std::string& path, const std::string& expected, const std::string& found) {
  throw Error(fmt::format("{}: {} does not fit the model: expected {}, found {}; the file is damaged or was changed: fit again", file, path, expected,
                          found));
}

/// The value of a state attribute, if allowed(value).
template <class Value, class Allowed>
Value state_value(const std::string& file, const ModelHeader& header, const std::string& name, const char* expected, Allowed&& allowed) {
  const Attribute* const stored = find(header.state, name);
  const Value* const value = stored != nullptr ? std::get_if<Value>(stored) : nullptr;
  if (value == nullptr || !allowed(*value))
    refuse(file, fmt::format("attribute {} of /state", name), expected, stored == nullptr ? "none" : text_of(*stored));
  return *value;
}

Index state_counter(const std::string& file, const ModelHeader& header, const std::string& name) {
  return state_value<Index>(file, header, name, "a number from 0 to 2^53", [](Index count) { return count >= 0 && count <= Index{1} << 53; });
}

double state_number(const std::string& file, const ModelHeader& header, const std::string& name) {
  return state_value<double>(file, header, name, "a number", [](double) { return true; });
}

StopState stop_state(const std::string& file, const ModelHeader& header) {
  return {state_number(file, header, "first"),
          state_number(file, header, "last"),
          state_number(file, header, "smoothed_cost"),
          state_number(file, header, "best_cost"),
          state_counter(file, header, "without_improvement"),
          state_counter(file, header, "W_updates")};
}

double forgetting(const std::string& file, const ModelHeader& header) {
  return state_value<double>(file, header, "rho", "a number from 0 to 1", [](double rho) { return rho >= 0 && rho <= 1; });
}

/// Local. Factors and accumulators are finite and not negative.
template <Scalar T>
void check_elements(const std::string& file, const char* path, const Matrix<T>& values) {
  for (const T value : values.span())
    if (!std::isfinite(value) || value < 0)
      refuse(file, fmt::format("an element of {}", path), "a finite number, not negative", std::to_string(value));
}

/// The release of the models' schema since when a parameter is in them; older models have its default. Whoever adds a parameter raises
/// model_schema_release and names it here.
Index first_release(const std::string& name) {
  static const std::vector<std::pair<std::string, Index>> later = {};
  const auto found = std::ranges::find(later, name, &std::pair<std::string, Index>::first);
  return found == later.end() ? 1 : found->second;
}

/// Whether a stored value is of the type that the parameter has; a whole number stands for a floating-point one, too.
bool same_type(const Attribute& stored, const Attribute& own) {
  return stored.index() == own.index() || (std::holds_alternative<Index>(stored) && std::holds_alternative<double>(own));
}

}  // namespace

const char* type_name(const Attribute& value) {
  constexpr const char* names[] = {"the truth value", "the integer", "the number", "the text"};
  return names[value.index()];
}

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

Parameters parameters_from(const std::string& file, const ModelHeader& header) {
  Parameters parameters;
  parameters.estimator = header.estimator == option_name(Estimator::minibatch_nmf) ? Estimator::minibatch_nmf : Estimator::nmf;
  for (const std::string& name : parameters.names())
    if (first_release(name) <= header.schema_release && find(header.params, name) == nullptr)
      refuse(file, fmt::format("attribute {} of /params", name), "a value", "none");
  try {
    for (const auto& [name, value] : header.params) parameters.set(name, text_of(value));
  } catch (const UsageError& error) {
    throw Error(fmt::format("{}: /params: {}", file, error.what()));
  }
  for (const auto& [name, value] : parameter_attributes(parameters, parameters.random_state.value_or(0)))
    if (const Attribute* const stored = find(header.params, name); stored != nullptr && !same_type(*stored, value))
      refuse(file, fmt::format("attribute {} of /params", name), fmt::format("{} {}", type_name(value), text_of(value)),
             fmt::format("{} {}", type_name(*stored), text_of(*stored)));
  if (const std::vector<std::string> mistakes = parameters.validate(); !mistakes.empty())
    throw Error(fmt::format("{}: /params: {}", file, mistakes.front()));
  if (parameters.n_components.value_or(header.n_components) != header.n_components)
    refuse(file, "attribute n_components of /params", std::to_string(header.n_components), std::to_string(*parameters.n_components));
  return parameters;
}

void check_complete(const std::string& file, const ModelHeader& header, const Shape& shape) {
  const Parameters parameters = parameters_from(file, header);
  stop_state(file, header);
  if (!parameters.random_state) refuse(file, "attribute random_state of /params", "a number", "none");
  if (header.n_samples != shape.rows || header.n_features_in != shape.columns)
    refuse(file, "the shape of X", fmt::format("{} x {}", shape.rows, shape.columns), fmt::format("{} x {}", header.n_samples, header.n_features_in));
  const Index steps = header.n_steps.value_or(header.n_iter);
  const auto recorded = [&] { return header.history.empty() ? Index{0} : static_cast<Index>(header.history.front().second.size()); };
  if (recorded() != steps)
    refuse(file, "/history", fmt::format("{} entries, one a {}", steps, header.n_steps ? "step" : "iteration"), std::to_string(recorded()));
  if (!header.n_steps) return;
  forgetting(file, header);
  const Index batch_rows = std::min(parameters.batch_size, shape.rows);
  const Index per_pass = shape.rows / batch_rows + (shape.rows % batch_rows != 0 ? 1 : 0);
  const Index passes = steps / per_pass + (steps % per_pass != 0 ? 1 : 0);
  if (header.n_iter != passes)
    refuse(file, "attribute n_iter", fmt::format("{} ({} steps of {} a pass)", passes, steps, per_pass), std::to_string(header.n_iter));
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
    model.parameters = parameters_from(file, header);
    model.n_components = header.n_components;
    model.n_samples = header.n_samples;
    model.n_iter = header.n_iter;
    model.n_steps = header.n_steps;
    model.reconstruction_err = header.reconstruction_err;
    model.converged = header.converged;
    model.history.columns = header.history;
    model.stop = stop_state(file, header);
    if (header.n_steps) model.accumulators.rho = forgetting(file, header);
  });
  model.factors.Ht = read_model_Ht<T>(comm, file);
  if (partition != nullptr) model.factors.W = read_model_W<T>(comm, file, *partition);
  if (header.n_steps) {
    const Shape shape{header.n_features_in, header.n_components};
    const Range slice = column_slice(comm, header.n_features_in);
    model.accumulators.A = read_model_slice<T>(comm, file, "/state/A", shape, slice);
    model.accumulators.B = read_model_slice<T>(comm, file, "/state/B", shape, slice);
  }
  comm.agree([&] {
    check_elements(file, "/H", model.factors.Ht);
    check_elements(file, "/W", model.factors.W);
    check_elements(file, "/state/A", model.accumulators.A);
    check_elements(file, "/state/B", model.accumulators.B);
  });
  return model;
}

template ModelHeader header_of(const FittedModel<float>&, const ModelContext&);
template ModelHeader header_of(const FittedModel<double>&, const ModelContext&);
template ModelArrays<float> arrays_of(const FittedModel<float>&, const Communicator&, const RowPartition*);
template ModelArrays<double> arrays_of(const FittedModel<double>&, const Communicator&, const RowPartition*);
template FittedModel<float> read_fitted_model(const Communicator&, const std::string&, const ModelHeader&, const RowPartition*);
template FittedModel<double> read_fitted_model(const Communicator&, const std::string&, const ModelHeader&, const RowPartition*);

}  // namespace scanmf
