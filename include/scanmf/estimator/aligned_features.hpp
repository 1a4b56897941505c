#pragma once

#include <string>
#include <vector>

#include "scanmf/estimator/job.hpp"

namespace scanmf {

/// The place of each of `names` in `among`, −1 where it has none. Throws Error when one of them is twice in either
/// list, which `what` calls by its name ("features of X").
std::vector<Index> places_of_names(const std::vector<std::string>& names, const std::string& what,
                                   const std::vector<std::string>& among, const std::string& what_among);

/// Which column of X each feature of a model is, by names; −1: X has none. Empty when X has the model's features in the
/// model's order. Warns of features that only one of them has. Throws Error where one of them has no names, a name is
/// twice, or they have none in common.
std::vector<Index> align_features(const MatrixDescription& x, const ModelHeader& header);

/// Collective. open_planned of job.hpp, X in the columns that align_features has given (empty: its own).
template <Scalar T>
PlannedSource<T> open_planned(const Communicator& comm, const MatrixDescription& description,
                              const std::vector<Index>& column_of, const Parameters& parameters, Index n_components,
                              MatrixUse use, const MemoryLimit& limit = {},
                              const SampleWeights& weights = std::nullopt);

}  // namespace scanmf
