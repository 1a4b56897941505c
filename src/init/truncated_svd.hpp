#pragma once

#include <vector>

#include "init/draws.hpp"
#include "scanmf/data/data_source.hpp"

namespace scanmf {

/// The leading singular triplets of X, X ≈ U·diag(s)·Vᵀ; s descends. s = 0 beyond the numerical rank.
template <Scalar T>
struct TruncatedSvd {
  Matrix<T> U;            // local rows × k, in the order of the partition
  std::vector<double> s;  // k
  Matrix<T> V;            // n × k, replicated
};

/// Collective. Randomised subspace iteration (Halko, Martinsson & Tropp 2011) with scikit-learn's sketch (k + 10
/// normals a column of X, or a row where m < n) and its number of passes: with numpy's stream equal to its result up to
/// rounding, converged or not. k <= min(m, n).
template <Scalar T>
TruncatedSvd<T> randomized_svd(DataSource<T>& source, Index k, const Normals& normals);

/// Collective. By a QR factorisation of X (or its transpose) and the singular value decomposition of R. Dense X in
/// memory only, otherwise Error.
template <Scalar T>
TruncatedSvd<T> exact_svd(DataSource<T>& source, Index k);

}  // namespace scanmf
