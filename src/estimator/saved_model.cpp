#include "scanmf/estimator/saved_model.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "estimator/extrapolated_descent.hpp"
#include "estimator/started_with.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/log.hpp"

namespace scanmf {
namespace {

/// Of the note in a model's provenance.
constexpr const char* generator_note = "random_state";

[[noreturn]] void refuse(const std::string& file, const std::string& path, const std::string& expected,
                         const std::string& found) {
  throw Error(
      fmt::format("{}: {} does not fit the model: expected {}, found {}; the file is damaged or was changed: fit again",
                  file, path, expected, found));
}

/// The value of a state attribute, if allowed(value).
template <class Value, class Allowed>
Value state_value(const std::string& file, const ModelHeader& header, const std::string& name, const char* expected,
                  Allowed&& allowed) {
  const Attribute* const stored = find_attribute(header.state, name);
  const Value* const value = stored != nullptr ? std::get_if<Value>(stored) : nullptr;
  if (value == nullptr || !allowed(*value))
    refuse(file, fmt::format("attribute {} of /state", name), expected, stored == nullptr ? "none" : text_of(*stored));
  return *value;
}

Index state_counter(const std::string& file, const ModelHeader& header, const std::string& name) {
  return state_value<Index>(file, header, name, "a number from 0 to 2^53",
                            [](Index count) { return count >= 0 && count <= Index{1} << 53; });
}

double state_number(const std::string& file, const ModelHeader& header, const std::string& name) {
  return state_value<double>(file, header, name, "a number", [](double) { return true; });
}

/// The numbers that every model file has in /state: as they are in a model, whose solver has some of them, or what they
/// begin with.
StateNumbers state_numbers(const StateNumbers& own) {
  StateNumbers numbers{{"first", -1.0},
                       {"last", 0.0},
                       {"smoothed_cost", std::numeric_limits<double>::quiet_NaN()},
                       {"best_cost", std::numeric_limits<double>::infinity()},
                       {"without_improvement", Index{0}},
                       {"W_updates", Index{0}}};
  for (const auto& [name, value] : own) set_number(numbers, name, value);
  return numbers;
}

/// These numbers from a file, each of its type.
StateNumbers stored_numbers(const std::string& file, const ModelHeader& header) {
  StateNumbers numbers = state_numbers({});
  for (auto& [name, value] : numbers) {
    if (std::holds_alternative<double>(value))
      value = state_number(file, header, name);
    else
      value = state_counter(file, header, name);
  }
  if (find_attribute(header.state, started_with_name) != nullptr)
    set_number(numbers, started_with_name, state_counter(file, header, started_with_name));
  return numbers;
}

double forgetting(const std::string& file, const ModelHeader& header) {
  return state_value<double>(file, header, "rho", "a number from 0 to 1",
                             [](double rho) { return rho >= 0 && rho <= 1; });
}

/// Those of an extrapolated descent that is not at its end.
void add_extrapolation(const std::string& file, const ModelHeader& header, StateNumbers& numbers) {
  for (const char* name : {"momentum", "momentum_before", "momentum_cap", "start_momentum"})
    set_number(numbers, name, state_value<double>(file, header, name, "a number from 0 to 1", [](double momentum) {
                 return momentum >= 0 && momentum <= 1;
               }));
  set_number(numbers, "objective", state_number(file, header, "objective"));
  set_number(numbers, "restarted", state_counter(file, header, "restarted"));
  if (find_attribute(header.state, "exact") != nullptr)  // earlier versions knew one way alone
    set_number(numbers, "exact", state_counter(file, header, "exact"));
}

/// Collective. Reads a state array of the model. partition: of the rows of W.
template <Scalar T>
StateArray<T> state_array(const Communicator& comm, const std::string& file, const ModelHeader& header,
                          const std::string& name, StateRows rows, const RowPartition* partition) {
  const bool samples = rows == StateRows::samples;
  const Index count = samples ? header.n_samples : header.n_features_in;
  const Range own = samples ? partition->piece(0, comm.rank()) : column_slice(comm, count);
  return {name, read_model_slice<T>(comm, file, fmt::format("/state/{}", name), {count, header.n_components}, own),
          rows};
}

/// Local. Factors and accumulators are finite and not negative.
template <Scalar T>
void check_elements(const std::string& file, const std::string& path, const Matrix<T>& values) {
  for (const T value : values.span())
    if (!std::isfinite(value) || value < 0)
      refuse(file, fmt::format("an element of {}", path), "a finite number, not negative", std::to_string(value));
}

/// The release of the models' schema since when a parameter is in them; older models have its default. Whoever adds a
/// parameter raises model_schema_release and names it here.
Index first_release(const std::string& name) {
  static const std::vector<std::pair<std::string, Index>> later = {
      {"acceleration", 3}, {"missing", 3}, {"missing_empty", 3}, {"strata", 4}};
  const auto found = std::ranges::find(later, name, &std::pair<std::string, Index>::first);
  return found == later.end() ? 1 : found->second;
}

/// Whether a stored value is of the type that the parameter has; a whole number stands for a floating-point one, too.
bool same_type(const Attribute& stored, const Attribute& own) {
  return stored.index() == own.index() ||
         (std::holds_alternative<Index>(stored) && std::holds_alternative<double>(own));
}

/// How the factors of a model began; none where nothing tells: init None depends on the rows of the first chunk, of
/// which a model that has learned several (it has no error) keeps their sum alone, and on whether entries of X are
/// missing.
template <Scalar T>
Init init_of(const FittedModel<T>& model, Index n_features) {
  if (model.n_steps.value_or(0) > 1 && std::isnan(model.reconstruction_err)) return model.parameters.init;
  if (const Init known = started_with(model.state.numbers); known != Init::none) return known;
  if (model.parameters.missing != Missing::none) return model.parameters.init;
  return resolve_init(model.parameters.init, {model.n_samples, n_features}, model.n_components);
}

}  // namespace

const char* type_name(const Attribute& value) {
  constexpr const char* names[] = {"the truth value", "the integer", "the number", "the text"};
  return names[value.index()];
}

Range equal_slice(const Communicator& comm, Index count) {
  const std::vector<Index> offsets = slice_offsets(count, comm.size());
  const auto rank = static_cast<std::size_t>(comm.rank());
  return {offsets[rank], offsets[rank + 1]};
}

void note_generator(Attributes& provenance) {
  provenance.emplace_back(generator_note, "a generator of numpy: 0 stands for it in /params");
}

bool is_of_generator(const ModelHeader& header) { return find_attribute(header.provenance, generator_note) != nullptr; }

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

Attributes with_later_parameters(Attributes stored, const Attributes& current) {
  for (const auto& [name, value] : parameter_attributes(Parameters(), 0))
    if (first_release(name) > 1 && find_attribute(current, name) != nullptr && find_attribute(stored, name) == nullptr)
      stored.emplace_back(name, value);
  return stored;
}

Parameters parameters_from(const std::string& file, const ModelHeader& header) {
  Parameters parameters;
  parameters.estimator =
      header.estimator == option_name(Estimator::minibatch_nmf) ? Estimator::minibatch_nmf : Estimator::nmf;
  for (const std::string& name : parameters.names())
    if (first_release(name) <= header.schema_release && find_attribute(header.params, name) == nullptr)
      refuse(file, fmt::format("attribute {} of /params", name), "a value", "none");
  try {
    for (const auto& [name, value] : header.params) parameters.set(name, text_of(value));
  } catch (const UsageError& error) {
    throw Error(fmt::format("{}: /params: {}", file, error.what()));
  }
  for (const auto& [name, value] : parameter_attributes(parameters, parameters.random_state.value_or(0)))
    if (const Attribute* const stored = find_attribute(header.params, name);
        stored != nullptr && !same_type(*stored, value))
      refuse(file, fmt::format("attribute {} of /params", name), fmt::format("{} {}", type_name(value), text_of(value)),
             fmt::format("{} {}", type_name(*stored), text_of(*stored)));
  if (const std::vector<std::string> mistakes = parameters.validate(); !mistakes.empty())
    throw Error(fmt::format("{}: /params: {}", file, mistakes.front()));
  if (parameters.n_components.value_or(header.n_components) != header.n_components)
    refuse(file, "attribute n_components of /params", std::to_string(header.n_components),
           std::to_string(*parameters.n_components));
  return parameters;
}

/// The lists of a run's history, which go on when it does; their order is the run's own.
std::vector<std::string> history_columns(const Parameters& parameters) {
  if (parameters.estimator == Estimator::minibatch_nmf)
    return {"cost", "h_change", "iteration", "seconds", "smoothed_cost"};
  return {parameters.solver == Solver::cd ? "violation" : "error", "iteration", "seconds"};
}

void check_complete(const std::string& file, const ModelHeader& header, const Shape& shape) {
  const Parameters parameters = parameters_from(file, header);
  StateNumbers numbers = stored_numbers(file, header);
  if (parameters.acceleration == Acceleration::extrapolation) add_extrapolation(file, header, numbers);
  if (!parameters.random_state) refuse(file, "attribute random_state of /params", "a number", "none");
  if (header.n_samples != shape.rows || header.n_features_in != shape.columns)
    refuse(file, "the shape of X", fmt::format("{} x {}", shape.rows, shape.columns),
           fmt::format("{} x {}", header.n_samples, header.n_features_in));
  const Index steps = header.n_steps.value_or(header.n_iter);
  const auto recorded = [&] {
    return header.history.empty() ? Index{0} : static_cast<Index>(header.history.front().second.size());
  };
  std::vector<std::string> columns;
  for (const auto& [name, values] : header.history) columns.push_back(name);
  std::ranges::sort(columns);
  std::vector<std::string> expected = history_columns(parameters);
  std::ranges::sort(expected);
  if (!columns.empty() && columns != expected)
    refuse(file, "/history", fmt::format("{}", fmt::join(expected, ", ")), fmt::format("{}", fmt::join(columns, ", ")));
  if (recorded() != steps)
    refuse(file, "/history", fmt::format("{} entries, one a {}", steps, header.n_steps ? "step" : "iteration"),
           std::to_string(recorded()));
  if (!header.n_steps) return;
  forgetting(file, header);
  const Index batch_rows = std::min(parameters.batch_size, shape.rows);
  const Index per_pass = shape.rows / batch_rows + (shape.rows % batch_rows != 0 ? 1 : 0);
  const Index passes = steps / per_pass + (steps % per_pass != 0 ? 1 : 0);
  if (header.n_iter != passes)
    refuse(file, "attribute n_iter", fmt::format("{} ({} steps of {} a pass)", passes, steps, per_pass),
           std::to_string(header.n_iter));
}

void check_features(const MatrixDescription& x, const ModelHeader& header, const char* estimator) {
  if (x.shape.columns != header.n_features_in)
    throw Error(fmt::format("X has {} features, but {} is expecting {} features as input.", x.shape.columns, estimator,
                            header.n_features_in));
  const std::vector<std::string>& of_x = x.feature_names;
  const std::vector<std::string>& of_model = header.feature_names;
  if (of_x.empty() && !of_model.empty())
    log_warning(fmt::format("X does not have valid feature names, but {} was fitted with feature names", estimator));
  if (of_model.empty() && !of_x.empty() && !header.estimator.empty())
    log_warning(fmt::format("X has feature names, but {} was fitted without feature names", estimator));
  if (of_x.size() != of_model.size()) return;
  for (std::size_t j = 0; j < of_x.size(); ++j) {
    if (of_x[j] == of_model[j]) continue;
    throw Error(
        fmt::format("The feature names should match those that were passed during fit: column {} of X is '{}', in the "
                    "model it is '{}'",
                    j, of_x[j], of_model[j]));
  }
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
  if (const Init init = init_of(model, context.n_features); init != Init::none)
    header.provenance.emplace_back("init", std::string(name_of(init)));
  for (const auto& [name, value] : state_numbers(model.state.numbers))
    std::visit([&](const auto& number) { header.state.emplace_back(name, number); }, value);
  for (const auto& [name, text] : {std::pair<const char*, const std::string&>{"data", context.data},
                                   {"generator_began", context.generator_began},
                                   {"generator", context.generator},
                                   {"start", context.start}})
    if (!text.empty()) header.state.emplace_back(name, text);
  return header;
}

template <Scalar T>
ModelArrays<T> arrays_of(const FittedModel<T>& model, const Communicator& comm, const RowPartition* partition) {
  ModelArrays<T> arrays;
  arrays.Ht = &model.factors.Ht;
  arrays.W = partition != nullptr ? &model.factors.W : nullptr;
  arrays.partition = partition;
  const Index n = model.factors.Ht.rows();
  for (const StateArray<T>& array : model.state.arrays) {
    const bool samples = array.rows == StateRows::samples;
    if (samples && partition == nullptr) continue;  // they go with W
    arrays.state.push_back({fmt::format("/state/{}", array.name), samples ? model.n_samples : n,
                            samples ? partition->piece(0, comm.rank()) : column_slice(comm, n), array.slice.view()});
  }
  return arrays;
}

template <Scalar T>
FittedModel<T> read_fitted_model(const Communicator& comm, const std::string& file, const ModelHeader& header,
                                 const RowPartition* partition) {
  FittedModel<T> model;
  const bool extrapolated = partition != nullptr && find_attribute(header.state, "momentum") != nullptr;
  comm.agree([&] {
    model.parameters = parameters_from(file, header);
    model.n_components = header.n_components;
    model.n_samples = header.n_samples;
    model.n_iter = header.n_iter;
    model.n_steps = header.n_steps;
    model.reconstruction_err = header.reconstruction_err;
    model.converged = header.converged;
    model.history.columns = header.history;
    model.state.numbers = stored_numbers(file, header);
    if (header.n_steps) set_number(model.state.numbers, "rho", forgetting(file, header));
    if (extrapolated) add_extrapolation(file, header, model.state.numbers);
  });
  model.factors.Ht = read_model_Ht<T>(comm, file);
  if (partition != nullptr) model.factors.W = read_model_W<T>(comm, file, *partition);
  const auto read = [&](const char* name, StateRows rows) {
    model.state.arrays.push_back(state_array<T>(comm, file, header, name, rows, partition));
  };
  if (header.n_steps)
    for (const char* name : {"A", "B"}) read(name, StateRows::features);
  if (extrapolated)
    for (const char* name : extrapolation_arrays)
      read(name, name == extrapolation_arrays[2] ? StateRows::samples : StateRows::features);
  comm.agree([&] {
    check_elements(file, "/H", model.factors.Ht);
    check_elements(file, "/W", model.factors.W);
    for (const StateArray<T>& array : model.state.arrays)
      check_elements(file, fmt::format("/state/{}", array.name), array.slice);
  });
  return model;
}

template ModelHeader header_of(const FittedModel<float>&, const ModelContext&);
template ModelHeader header_of(const FittedModel<double>&, const ModelContext&);
template ModelArrays<float> arrays_of(const FittedModel<float>&, const Communicator&, const RowPartition*);
template ModelArrays<double> arrays_of(const FittedModel<double>&, const Communicator&, const RowPartition*);
template FittedModel<float> read_fitted_model(const Communicator&, const std::string&, const ModelHeader&,
                                              const RowPartition*);
template FittedModel<double> read_fitted_model(const Communicator&, const std::string&, const ModelHeader&,
                                               const RowPartition*);

}  // namespace scanmf
