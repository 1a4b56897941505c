#include "scanmf/solver/fixed_h.hpp"

#include <algorithm>

#include "scanmf/core/tree_sum.hpp"

#include "scanmf/linalg/exact_sums.hpp"

namespace scanmf {

template <Scalar T>
FixedH<T>::FixedH(const Loss& loss, StorageKind kind, Index columns, Index components)
    : kind_(loss.gram_of_H ? FactorSums::gram : loss.sums),
      with_gram_(loss.gram_of_H),
      exact_(loss.exact_sums),
      factor_(kind, columns, components, loss.needs_both_layouts(kind), loss.needs_subset_sums(kind)),
      sums_(2 + static_cast<std::size_t>(size_of(kind_, components))),
      work_(static_cast<std::size_t>(team_.size())),
      exact_work_(static_cast<std::size_t>(team_.size())) {}

template <Scalar T>
void FixedH<T>::add_sums(int thread, MatrixView<const T> ht_rows, Index group, double* sums) {
  const auto own = static_cast<std::size_t>(thread);
  const bool together = kind_ == FactorSums::gram && !exact_;
  if (together) add_gram_of_leaves<T>(ht_rows, group, sums + 2, work_[own]);
  add_leaves({0, ht_rows.rows}, group, {sums, together ? 2 : sums_.size()}, [&](Range leaf, double* of_leaf) {
    const MatrixView<const T> rows = ht_rows.middle_rows(leaf);
    const NormAndSum norms = norm_and_sum<T>(rows);
    of_leaf[0] += norms.norm_squared;
    of_leaf[1] += norms.sum;
    if (together) return;
    if (exact_)
      add_exact_gram<T>(rows, of_leaf + 2, exact_work_[own]);
    else
      add_factor_sums<T>(kind_, rows, of_leaf + 2, work_[own]);
  });
}

template <Scalar T>
void FixedH<T>::set(const Matrix<T>& Ht, std::span<const double> sums) {
  factor_.assign(Ht.view());
  std::ranges::copy(sums, sums_.begin());
  if (with_gram_) factor_.set_gram(factor_sums());
}

template class FixedH<float>;
template class FixedH<double>;

}  // namespace scanmf
