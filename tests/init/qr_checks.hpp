#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "scanmf/linalg/matrix.hpp"
#include "scanmf/parallel/communicator.hpp"

namespace scanmf::test {

/// Collective. Largest departure of QᵀQ from the unit matrix, rows of all ranks together.
template <Scalar T>
double departure_from_orthonormal(const Communicator& comm, const Matrix<T>& q) {
  const auto place = [&](Index a, Index b) { return static_cast<std::size_t>(a * q.columns() + b); };
  std::vector<double> gram(static_cast<std::size_t>(q.columns() * q.columns()), 0);
  for (Index i = 0; i < q.rows(); ++i)
    for (Index a = 0; a < q.columns(); ++a)
      for (Index b = 0; b < q.columns(); ++b)
        gram[place(a, b)] += static_cast<double>(q(i, a)) * static_cast<double>(q(i, b));
  comm.allreduce_sum(std::span<double>(gram));
  double largest = 0;
  for (Index a = 0; a < q.columns(); ++a)
    for (Index b = 0; b < q.columns(); ++b) largest = std::max(largest, std::abs(gram[place(a, b)] - (a == b ? 1 : 0)));
  return largest;
}

/// Local. Largest departure of Q·R from A.
template <Scalar T>
double departure_of_product(const Matrix<T>& q, const Matrix<T>& r, const Matrix<T>& a) {
  double largest = 0;
  for (Index i = 0; i < a.rows(); ++i)
    for (Index j = 0; j < a.columns(); ++j) {
      double sum = 0;
      for (Index c = 0; c < a.columns(); ++c) sum += static_cast<double>(q(i, c)) * static_cast<double>(r(c, j));
      largest = std::max(largest, std::abs(sum - static_cast<double>(a(i, j))));
    }
  return largest;
}

}  // namespace scanmf::test
