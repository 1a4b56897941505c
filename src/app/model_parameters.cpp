#include "app/model_parameters.hpp"

#include <fmt/format.h>

#include "app/run_setup.hpp"
#include "core/printable.hpp"
#include "data/input_name.hpp"
#include "io/hdf5_objects.hpp"
#include "scanmf/core/log.hpp"
#include "scanmf/estimator/aligned_features.hpp"
#include "scanmf/estimator/saved_model.hpp"

namespace scanmf::app {
namespace {

constexpr const char* place_of_x = "x_path";  // in /provenance

bool same_value(const std::string& parameter, const Parameters& given, const Parameters& stored, Index components) {
  if (parameter == "beta_loss") return given.beta_loss == stored.beta_loss;
  if (parameter == "alpha_H") return given.effective_alpha_H() == stored.effective_alpha_H();
  if (parameter == "random_state") return !given.random_state || given.random_state == stored.random_state;
  if (parameter == "random_generator")
    return given.random_generator == RandomGenerator::automatic || given.random_generator == stored.random_generator;
  if (parameter == "n_components" && given.n_components == components) return true;
  return given.get(parameter) == stored.get(parameter);
}

}  // namespace

Parameters parameters_of_model(const CommandLine& line, const ModelHeader& header,
                               const std::set<std::string>& may_change) {
  Parameters result = parameters_from(line.text("model"), header);
  std::vector<std::string> mistakes;
  if (line.is_given("estimator") && line.text("estimator") != header.estimator) {
    mistakes.push_back(fmt::format("option '--estimator {}' differs from the model, which is of {}",
                                   line.text("estimator"), header.estimator));
  }
  for (const auto& [name, text] : line.given_parameters()) {
    Parameters given = result;
    try {
      given.set(name, text);
    } catch (const UsageError& error) {
      mistakes.emplace_back(error.what());
      continue;
    }
    const std::vector<std::string> wrong = given.validate();
    mistakes.insert(mistakes.end(), wrong.begin(), wrong.end());
    if (may_change.contains(name)) {
      result = given;
    } else if (wrong.empty() && !same_value(name, given, result, header.n_components)) {
      mistakes.push_back(fmt::format("{} = {} differs from the model's {}; leave the option out, or fit a new model",
                                     name, text, result.get(name)));
    }
  }
  throw_mistakes(mistakes);
  return result;
}

std::vector<Index> places_of_features(const CommandLine& line, const MatrixDescription& x, const ModelHeader& header,
                                      const char* estimator) {
  if (line.flag("align-features")) return align_features(x, header);
  try {
    check_features(x, header, estimator);
  } catch (const Error& error) {
    if (x.feature_names.empty() || header.feature_names.empty()) throw;
    std::string what = error.what();
    if (what.ends_with('.')) what.pop_back();
    throw Error(fmt::format("{}; --align-features puts columns in the model's order by their names", what));
  }
  return {};
}

void add_place_of_x(const MatrixDescription& x, Attributes& provenance) {
  if (!x.path.empty()) provenance.emplace_back(place_of_x, x.path);
}

void copy_place_of_x(const Attributes& of_ensemble, Attributes& provenance) {
  if (const Attribute* const place = find_attribute(of_ensemble, place_of_x))
    provenance.emplace_back(place_of_x, *place);
}

void warn_of_another_place(const Communicator& comm, const std::string& input, const MatrixDescription& x,
                           const ModelHeader& header) {
  const Attribute* const known = find_attribute(header.provenance, place_of_x);
  if (known == nullptr || x.path.empty() || !data::parse_input(input).path.empty()) return;
  const std::string learned = text_of(*known);
  if (learned == x.path) return;
  comm.agree([&] {
    if (!comm.is_root() || hdf5::object_at(hdf5::File::open(x.file), learned).kind == hdf5::ObjectKind::nothing) return;
    log_warning(
        fmt::format("the model was learned from {0} of its file, and X is {1}:{2} here: {1}:{0} takes the other",
                    printable(learned), x.file, x.path));
  });
}

void warn_of_unused_missing_empty(const CommandLine& line, const Parameters& parameters) {
  if (line.is_given("missing-empty") && parameters.missing == Missing::none)
    log_warning("--missing-empty is not used: it belongs to --missing nan or zero");
}

void note_kind_of_values(const Communicator& comm, const Parameters& parameters, const MatrixDescription& x) {
  if (parameters.beta_loss != 1) return;
  if (!begins_with_whole_numbers(comm, x).value_or(true))
    log_information("values of X are not whole numbers: the Kullback-Leibler divergence is that of counts");
}

}  // namespace scanmf::app
