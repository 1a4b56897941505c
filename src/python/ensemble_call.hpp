#pragma once

#include "python/calls.hpp"
#include "scanmf/ensemble/ensemble.hpp"

namespace scanmf::python {

/// What an ensemble is given beside X and a fit's parameters.
struct EnsembleTask {
  EnsembleOptions options;
  std::string output;                        // the ensemble file
  std::vector<std::string> feature_names{};  // of rows in memory
  std::optional<Index> groups{};             // of ranks, for X of a file; none: as many as memory allows
};

/// Collective. Replicates, consensus, choice, the ensemble file. Throws KeyboardInterrupt, or what `progress` threw,
/// when the run was stopped by that, and StoppedRun when it stopped in time.
void ensemble(Session& session, const Input& x, const Task& task, const EnsembleTask& wanted);

/// Collective. Throws AgreedError for what is no ensemble file as this program writes them, checksums included.
void check_ensemble(Session& session, const std::string& file);

/// Collective. The consensus of k as a model file, without W.
void select(Session& session, const std::string& file, Index k, const std::string& output);

}  // namespace scanmf::python
