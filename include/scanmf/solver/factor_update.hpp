#pragma once

#include <span>

#include "scanmf/linalg/operations.hpp"

namespace scanmf {

/// What an update of H goes by, summed over all rows of X: rows are columns of X.
template <Scalar T>
struct Statistics {
  MatrixView<const T> numerator;    // n × k: XᵀW or QᵀW
  MatrixView<const T> denominator;  // n × k: RᵀW, where the loss has one
  std::span<const double> W_sums;   // FactorSums of W
  MatrixView<const T> grams = {};   // n × GramLayout(k).size(), of ColumnGrams, where the loss has them
};

/// How a solver updates a slice of H from the sums over the rows of X.
template <Scalar T>
class FactorUpdate {
 public:
  virtual ~FactorUpdate() = default;
  /// ht_slice (slice × k): rows `slice` of Ht, updated in place. violations: becomes that of each of these (0 for
  /// multiplicative updates). What becomes of a row does not depend on those beside it. Threads share the work.
  virtual void update(MatrixView<T> ht_slice, Range slice, const Statistics<T>& statistics, double* violations) = 0;
};

}  // namespace scanmf
