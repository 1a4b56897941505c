#pragma once

#include <set>
#include <string>

#include "app/command_line.hpp"
#include "scanmf/data/matrix_file.hpp"
#include "scanmf/model/model_file.hpp"

namespace scanmf::app {

/// The parameters of the model that --model names, with those that are given again and `may_change`. Throws UsageError
/// naming both values of each other one that differs.
Parameters parameters_of_model(const CommandLine& line, const ModelHeader& header,
                               const std::set<std::string>& may_change);

/// For each of the model's features its column of X, where --align-features asks for that; else empty, and X has the
/// model's features in the model's order. Throws Error, which names the option where it is the answer.
std::vector<Index> places_of_features(const CommandLine& line, const MatrixDescription& x, const ModelHeader& header,
                                      const char* estimator);

/// Collective. Logs it when X begins with other numbers than counts and the divergence is that of counts,
/// Kullback-Leibler's.
void note_kind_of_values(const Communicator& comm, const Parameters& parameters, const MatrixDescription& x);

/// Where in its file X of a fit was, for /provenance of the model.
void add_place_of_x(const MatrixDescription& x, Attributes& provenance);
/// The same of a model that comes from an ensemble.
void copy_place_of_x(const Attributes& of_ensemble, Attributes& provenance);

/// Collective. A warning where nobody has said which matrix of the file `input` is X, and it has another one at the
/// place where X of the fit was: /X, and the model was learned from /layers/counts.
void warn_of_another_place(const Communicator& comm, const std::string& input, const MatrixDescription& x,
                           const ModelHeader& header);

/// A warning where --missing-empty is given and nothing can be missing.
void warn_of_unused_missing_empty(const CommandLine& line, const Parameters& parameters);

}  // namespace scanmf::app
