#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "scanmf/data/matrix_file.hpp"
#include "scanmf/parallel/communicator.hpp"

namespace scanmf::app {

/// Names that a description shows of all that a file has.
constexpr std::size_t shown_names = 5;

/// The "kind" of a description that is not of one model: of these there are "model", "checkpoint" and "factors".
constexpr const char* data_kind = "data";
constexpr const char* ensemble_kind = "ensemble";
constexpr const char* ensemble_checkpoint_kind = "checkpoint of an ensemble";

/// Collective. What `scanmf inspect --json` prints of a data file, a model, factors or an ensemble; never reads X or W
/// (but a look at the first elements). Of a data file: X, and a list of all its matrices; where it does not say which
/// one is X, the list alone. most_features: of each component.
nlohmann::ordered_json describe_file(const Communicator& comm, const std::string& input,
                                     const InputOptions& options = {}, Index most_features = 10);

/// Collective. One row a model: file, estimator, n_components, reconstruction_err (null: not known), n_iter, converged,
/// seconds of all iterations. Throws AgreedError for what is no model.
nlohmann::ordered_json describe_models(const Communicator& comm, const std::vector<std::string>& files);

}  // namespace scanmf::app
