#pragma once

#include "scanmf/ensemble/ensemble.hpp"

namespace scanmf {

/// All that is wrong with the options of an ensemble of fits with these parameters, one line each.
std::vector<std::string> mistakes_of(const EnsembleOptions& options, const Parameters& parameters);

/// Those of the options that replicates depend on, and what is kept of them.
Attributes replicate_attributes(const EnsembleOptions& options);

/// The options as attributes of the ensemble's file.
Attributes attributes_of(const EnsembleOptions& options);

/// What is kept because not all is observed, by a fit of the ensemble or of its choice of k.
ObservedSums observed_sums(const Parameters& parameters, const EnsembleOptions& options, StorageKind kind);

}  // namespace scanmf
