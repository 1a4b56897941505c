#pragma once

#include <vector>

#include "ensemble/replicate_store.hpp"

namespace scanmf {

// The spectra of one k: N = replicates · k rows of n columns, replicate by replicate. They stay in the store; what is
// needed of them all at once are their inner products.
//
//     N × N   rank 0: rows of the first replicates
//             rank 1: …                               whole replicates, all N columns

/// Inner products of the spectra, each divided by its Euclidean norm, of this rank's rows with all.
struct SpectraProducts {
  Index count = 0;            // N
  Range rows;                 // of this rank
  Matrix<double> products;    // rows × N
  std::vector<double> norms;  // of all spectra as fitted, replicated; 0: a spectrum of zeros
};

/// Rows of N that belong to each rank: ranks + 1 bounds, at replicates.
std::vector<Index> spectra_bounds(Index k, Index replicates, int ranks);

/// Bytes that a rank needs for the consensus of k, about.
double consensus_bytes(Index k, Index replicates, Index n_features, int ranks);

/// Columns of the spectra that are looked at together.
Index panel_columns(Index count, Index n_features);

/// Local. Columns of all N spectra of number `k_number` among the numbers of components, in double, as they were
/// fitted: to is N × columns.
template <Scalar T>
void read_panel(const ReplicateStore& store, Index k_number, Range columns, MatrixView<double> to);

/// Collective. Reads all columns once, panel by panel.
template <Scalar T>
SpectraProducts products_of(const Communicator& comm, const ReplicateStore& store, Index k_number);

/// Euclidean distance of spectra of length 1 with this inner product.
double distance_of(double product);

/// Collective. For each spectrum, NaN for those of zeros: the sum of its q + 1 smallest distances to all others and
/// itself, divided by q = max(1, ⌊neighbourhood · replicates⌋). Replicated.
std::vector<double> local_densities(const Communicator& comm, const SpectraProducts& spectra,
                                    std::span<const Index> bounds, Index replicates, double neighbourhood);

}  // namespace scanmf
