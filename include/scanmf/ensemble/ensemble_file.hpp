#pragma once

#include "scanmf/ensemble/ensemble.hpp"

namespace scanmf {

/// Everything of an ensemble file but its large arrays; replicated.
struct EnsembleFile {
  std::string file;
  DataType dtype = DataType::float64;
  Index n_samples = 0;
  Index n_features = 0;
  Index replicates = 0;
  std::string select;
  Estimator estimator = Estimator::nmf;
  std::optional<Index> chosen_k;
  std::vector<MeasuresOfK> table;  // k ascending
  Attributes params;
  Attributes provenance;
  std::vector<std::string> feature_names;
  std::vector<std::string> row_names;
};

/// Collective. Whether `file` says that it is an ensemble file.
bool is_ensemble_file(const Communicator& comm, const std::string& file);

/// Collective. Every byte is compared with the file's checksums first. Throws AgreedError with file, path, what was
/// expected and what was found.
EnsembleFile read_ensemble(const Communicator& comm, const std::string& file);

/// Collective. Writes the consensus of k as a model, as a fit with this k would: transform and partial-fit know it.
/// with_W: its W too. Throws AgreedError for a k that the ensemble does not have, or that has no consensus, and for
/// what no ensemble writes.
template <Scalar T>
void write_consensus(const Communicator& comm, const EnsembleFile& ensemble, Index k, const std::string& target,
                     const Attributes& provenance, bool with_W = true);

}  // namespace scanmf
