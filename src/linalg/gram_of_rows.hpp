#pragma once

#include <cstdint>
#include <vector>

#include "linalg/kernels.hpp"
#include "scanmf/linalg/observed_grams.hpp"

namespace scanmf {

/// Gram matrices of some rows of a factor, in GramLayout; one thread's.
template <Scalar T>
class GramOfRows {
 public:
  explicit GramOfRows(Index k);

  /// sums = that of the listed rows.
  void sum(const kernels::ListedRows<T>& rows, T* sums) const { kernels::grams<T>().sum_of_listed(rows, k_, sums); }
  /// The same for all rows of a set, which others are left of.
  void sum_exactly(const kernels::ListedRows<T>& rows, FullGram<T>& full);
  /// sums = that of all rows but the listed ones. Where little is left of an element of the diagonal, the difference is
  /// formed in double; where nothing is left but rounding, it is 0, by which nobody may divide.
  void without(const kernels::ListedRows<T>& rows, const FullGram<T>& full, T* sums);

 private:
  kernels::ListedRows<double> in_double(const kernels::ListedRows<T>& rows);
  void without_exactly(const kernels::ListedRows<T>& rows, const FullGram<T>& full, T* sums);

  Index k_;
  std::vector<Index> diagonal_;  // where it is
  std::vector<double> rows_;
  std::vector<double> exact_;
  std::vector<std::int32_t> numbers_;  // 0, 1, …
};

}  // namespace scanmf
