#include "scanmf/solver/fixed_h.hpp"

#include <algorithm>

#include "scanmf/linalg/exact_sums.hpp"

namespace scanmf {

template <Scalar T>
FixedH<T>::FixedH(const Loss& loss, StorageKind kind, Index columns, Index components)
    : kind_(loss.sums),
      exact_(loss.exact_sums),
      factor_(kind, columns, components, loss.needs_both_layouts(kind), loss.needs_subset_sums(kind)),
      sums_(2 + static_cast<std::size_t>(size_of(loss.sums, components))),
      work_(static_cast<std::size_t>(team_.size())),
      exact_work_(static_cast<std::size_t>(team_.size())) {}

template <Scalar T>
void FixedH<T>::add_sums(int thread, MatrixView<const T> ht_rows, double* sums) {
  const auto own = static_cast<std::size_t>(thread);
  const NormAndSum norms = norm_and_sum<T>(ht_rows);
  sums[0] += norms.norm_squared;
  sums[1] += norms.sum;
  if (exact_)
    add_exact_gram<T>(ht_rows, sums + 2, exact_work_[own]);
  else
    add_factor_sums<T>(kind_, ht_rows, sums + 2, work_[own]);
}

template <Scalar T>
void FixedH<T>::set(const Matrix<T>& Ht, std::span<const double> sums) {
  factor_.assign(Ht.view());
  std::ranges::copy(sums, sums_.begin());
}

template class FixedH<float>;
template class FixedH<double>;

}  // namespace scanmf
