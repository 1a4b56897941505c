#pragma once

#include <vector>

#include "scanmf/linalg/matrix.hpp"
#include "scanmf/parallel/communicator.hpp"

namespace scanmf {

/// The leading singular triplets of a small replicated matrix, B ≈ left·diag(s)·rightᵀ; s descends.
template <Scalar T>
struct SmallSvd {
  Matrix<T> left;         // columns × k
  std::vector<double> s;  // k; values at the level of T's rounding errors are 0
  Matrix<T> right;        // columns × k
};

/// Collective. Computed on rank 0 and in double, the same bits on every rank. B is columns × columns, k <= columns.
template <Scalar T>
SmallSvd<T> small_svd(const Communicator& comm, const Matrix<T>& b, Index k);

}  // namespace scanmf
