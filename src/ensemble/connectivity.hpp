#pragma once

#include <span>
#include <vector>

#include "ensemble/replicate_store.hpp"

namespace scanmf {

// Which rows of X belong together, and how sure that is (Brunet et al., PNAS 101(12), 2004): a row's label is its
// largest element of W; the connectivity of two rows is the share of replicates in which they have the same one. Looked
// at for a sample of the rows, whose labels lie beside the replicates' spectra.

/// Local. So many of the rows of X, without replacement, ascending: the same for any number of ranks.
std::vector<Index> sampled_rows(std::uint32_t random_state, Index rows, Index count);

/// Collective. The labels of these rows, W being distributed as `partition` says. Replicated.
template <Scalar T>
std::vector<std::int32_t> labels_of(const Communicator& comm, const RowPartition& partition, const Matrix<T>& W,
                                    std::span<const Index> rows);

/// How far the replicates agree, from the mean connectivity C of their labels.
struct Connectivity {
  double cophenetic = 0;  // correlation of 1 − C with the distances in its tree (average linkage)
  double dispersion = 0;  // mean of 4·(c − ½)²: 1 when all replicates agree
};
/// Local. labels: replicates × rows. 1 when all of C is the same.
Connectivity connectivity_of(std::span<const std::int32_t> labels, Index rows);

/// Collective. Throws AgreedError when the connectivity of so many rows does not fit into memory.
void require_memory_for_connectivity(const Communicator& comm, Index rows, Index replicates);

/// Collective. The same of number `k_number` of the numbers of components, where labels were kept.
void measure_connectivity(const Communicator& comm, const ReplicateStore& store, Index k_number, MeasuresOfK& measures);

}  // namespace scanmf
