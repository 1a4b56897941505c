#pragma once

#include <vector>

#include "ensemble/replicate_store.hpp"

namespace scanmf {

/// What the replicates of one k agree on. Replicated.
template <Scalar T>
struct Consensus {
  MeasuresOfK measures;
  std::vector<double> density;  // of each spectrum; NaN: zeros
  std::vector<Index> labels;    // the component of each; −1: not kept
  std::vector<double> cluster_stability;
  Matrix<T> Ht;  // n × k; without columns: no consensus

  bool is_there() const { return Ht.columns() > 0; }
};

/// Collective. The consensus of number `k_number` of the numbers of components: densities, clusters of the spectra that
/// are kept, their medians. The components have no order yet, and the error is not known.
template <Scalar T>
Consensus<T> consensus_of(const Communicator& comm, const ReplicateStore& store, const EnsembleOptions& options,
                          Index k_number);

/// Local. The components in the order of `order`: order[i] becomes number i.
template <Scalar T>
void reorder(Consensus<T>& consensus, std::span<const Index> order);

}  // namespace scanmf
