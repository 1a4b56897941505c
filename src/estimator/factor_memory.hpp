#pragma once

#include "scanmf/estimator/memory_plan.hpp"
#include "scanmf/estimator/parameters.hpp"

namespace scanmf {

/// Sums over rows of X that a rank holds at a time.
struct HeldSums {
  Index of_strata = 1;  // where each thread has one (sums_at_a_time)
  Index of_blocks = 1;  // where all threads share in one
  Index stored = 0;     // elements of X, on all ranks
};
/// Collective. Where `ranks` share an X.
HeldSums held_sums(const Communicator& comm, StorageKind kind, const Shape& shape, Index stored, int ranks);

/// Bytes of a rank's factors and statistics, of one fit whose rows of W are shared out over `ranks`.
struct FactorBytes {
  double statistics = 0;  // H, and sums of n × k; what is kept because not all is observed
  double grams = 0;       // column Gram matrices alone
  double W = 0;
  double all() const { return statistics + W; }
};
FactorBytes factor_bytes(const Shape& shape, Index n_components, DataType type, const HeldSums& sums, int ranks,
                         ObservedSums observed);

ObservedSums observed_sums(const Parameters& parameters, StorageKind kind);

/// Collective. Of what is free on the fullest rank.
double least_available(const Communicator& comm);

/// Collective. Whether ranks of comm, so many of which share an X, can hold it beside the factors of a fit.
bool fits_in_memory(const Communicator& comm, const MemoryLimit& limit, const MatrixDescription& description,
                    Index n_components, DataType type, ObservedSums observed, int ranks);

/// Collective. plan_memory where `ranks` of comm share an X.
std::optional<Index> plan_memory_of(const Communicator& comm, int ranks, const MemoryLimit& limit,
                                    const MatrixDescription& description, Index n_components, DataType type,
                                    HeldW rows_of_W, ObservedSums observed);

}  // namespace scanmf
