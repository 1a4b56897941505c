#pragma once

#include <optional>
#include <vector>

#include "scanmf/linalg/observed_grams.hpp"
#include "scanmf/solver/coordinate_descent.hpp"

namespace scanmf {

// Coordinate descent where not all of X is observed, or rows have weights: each row of W and each column of H has a
// quadratic of its own, with scikit-learn's order of operations.
//   row i of W      G = Σ h_j·h_jᵀ over its observed elements, l2_W/s_i on the diagonal
//   column j of H   G = Σ s_i·w_i·w_iᵀ over its observed elements, l2_H on the diagonal
// The linear terms are X·Hᵀ and XᵀW of the observed elements, as ever.

template <Scalar T>
class ObservedDescentRows final : public CoordinateDescentRows<T> {
 public:
  using CoordinateDescentRows<T>::CoordinateDescentRows;

  /// h: kept by the caller.
  void set_H(const FixedH<T>& h) override;
  double update(MatrixView<T> w, const RowProducts<T>& products, Index number, Workspace<T>& work) const override;

 private:
  /// All is observed, but rows of other weights have other penalties.
  double update_by_weights(MatrixView<T> w, const RowProducts<T>& products, Index number, Workspace<T>& work) const;

  const FixedH<T>* h_ = nullptr;
  std::vector<T> full_gram_;                   // HHᵀ
  std::optional<FullGram<T>> of_all_columns_;  // the same, less whose parts row's sums are formed
};

template <Scalar T>
class ObservedDescentFactor final : public CoordinateDescentFactor<T> {
 public:
  using CoordinateDescentFactor<T>::CoordinateDescentFactor;

  void update(MatrixView<T> ht_slice, Range slice, const Statistics<T>& statistics, double* violations) override;
};

}  // namespace scanmf
