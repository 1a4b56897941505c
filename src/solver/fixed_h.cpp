#include "scanmf/solver/fixed_h.hpp"

#include <algorithm>

#include "scanmf/linalg/exact_sums.hpp"

namespace scanmf {

template <Scalar T>
FixedH<T>::FixedH(const Loss& loss, StorageKind kind, Index columns, Index components)
    : kind_(loss.sums),
      exact_(loss.exact_sums),
      factor_(kind, columns, components, loss.needs_both_layouts(kind)),
      sums_(2 + static_cast<std::size_t>(size_of(loss.sums, components))),
      work_(static_cast<std::size_t>(team_.size())),
      exact_work_(static_cast<std::size_t>(team_.size())) {}

template <Scalar T>
std::vector<double> FixedH<T>::sums_over(MatrixView<const T> ht_rows) {
  std::vector<std::vector<double>> parts(work_.size());
  team_.in_parts(ht_rows.rows, [&](int thread, Range range) {
    const MatrixView<const T> rows = ht_rows.middle_rows(range);
    std::vector<double>& part = parts[static_cast<std::size_t>(thread)];
    part.assign(sums_.size(), 0.0);
    const NormAndSum norms = norm_and_sum<T>(rows);
    part[0] = norms.norm_squared;
    part[1] = norms.sum;
    if (exact_)
      add_exact_gram<T>(rows, part.data() + 2, exact_work_[static_cast<std::size_t>(thread)]);
    else
      add_factor_sums<T>(kind_, rows, part.data() + 2, work_[static_cast<std::size_t>(thread)]);
  });
  std::vector<double> sums(sums_.size(), 0.0);
  for (const std::vector<double>& part : parts)
    for (std::size_t i = 0; i < part.size(); ++i) sums[i] += part[i];
  return sums;
}

template <Scalar T>
void FixedH<T>::set(const Matrix<T>& Ht, std::span<const double> sums) {
  factor_.assign(Ht.view());
  std::ranges::copy(sums, sums_.begin());
}

template class FixedH<float>;
template class FixedH<double>;

}  // namespace scanmf
