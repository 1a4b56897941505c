#pragma once

#include <string>

#include "scanmf/core/random.hpp"
#include "scanmf/data/data_source.hpp"

namespace scanmf {

/// W (local rows × k, in the order of the partition) and Ht = Hᵀ (columns × k, replicated: the same bits on every
/// rank).
template <Scalar T>
struct Factors {
  Matrix<T> W;
  Matrix<T> Ht;
};

/// Collective. scale · |normal| with scale = √(mean(X)/k), H drawn first, then W , from numpy's stream or, counter =
/// true, from the counter-based one, keyed by global index.
template <Scalar T>
Factors<T> random_factors(const DataSource<T>& source, Index n_components, const Seed& seed, bool counter);

enum class NndsvdVariant { nndsvd, nndsvda, nndsvdar };

/// Collective. Non-negative double SVD (Boutsidis & Gallopoulos 2008) of the truncated SVD by randomised subspace
/// iteration with the same sketch and passes as scikit-learn, or of the exact SVD (dense X in memory only). Components
/// that do not exist are zero, then filled as the variant says. Sketch and fills come from numpy's stream, drawn from
/// its beginning on every rank, or, counter = true, from the counter-based one, keyed by global index: each rank and
/// thread draws its own part. Precondition: n_components <= min(shape).
template <Scalar T>
Factors<T> nndsvd_factors(DataSource<T>& source, Index n_components, const Seed& seed, NndsvdVariant variant,
                          bool exact, bool counter = false);

/// Collective. The rows of dataset /H of `file`: the k that it asks for. Nothing of H itself is read. Errors: no such
/// matrix, or not of n_features columns; worded as by custom_factors.
Index custom_components(const Communicator& comm, const std::string& file, const std::string& estimator,
                        Index n_features);

/// Collective. Datasets /W and /H of `file`, checked as scikit-learn does, H first. Messages name the array and
/// `estimator`. NaN and infinity are refused. n_components: expected k.
template <Scalar T>
Factors<T> custom_factors(const DataSource<T>& source, Index n_components, const std::string& file,
                          const std::string& estimator);

/// Collective. The same checks of factors that a caller has made: shapes, finite, >= 0, not all zero; W: this rank's
/// rows, in the order of the partition.
template <Scalar T>
void check_factors(const DataSource<T>& source, Index n_components, const Factors<T>& factors,
                   const std::string& estimator);

}  // namespace scanmf
