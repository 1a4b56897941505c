#pragma once

#include <memory>

#include "scanmf/linalg/observed_grams.hpp"
#include "scanmf/solver/column_sums.hpp"
#include "scanmf/solver/fixed_h.hpp"

namespace scanmf {

/// What an update of some rows of W (rows × k) goes by.
template <Scalar T>
struct RowProducts {
  MatrixView<T> numerator;    // X·Hᵀ or, where the loss has weights, Q·Hᵀ
  MatrixView<T> denominator;  // R·Hᵀ where the loss has one; else room of the same shape
  const TileView<T>& tile;    // what is observed of the rows, and their weights
};

/// What the penalties of a row are divided by: sums over rows have weights, a row's own update has not. Rows of weight
/// 0 are solved for as others, without any say in H.
template <Scalar T>
double penalty_divisor(T weight) {
  return weight > T{0} ? static_cast<double>(weight) : 1.0;
}

/// Calls body(rows, their penalty_divisor) for runs of rows that have the same. weights: one a row, or null.
template <Scalar T, class Body>
void for_runs_of_weights(const T* weights, Index rows, Body&& body) {
  for (Index begin = 0; begin < rows;) {
    const double divisor = weights == nullptr ? 1.0 : penalty_divisor(weights[begin]);
    Index end = weights == nullptr ? rows : begin + 1;
    while (end < rows && penalty_divisor(weights[end]) == divisor) ++end;
    body(Range{begin, end}, divisor);
    begin = end;
  }
}

/// How a solver updates rows of W with H fixed. It does not see how rows are stored, and may be called by several
/// threads at once.
template <Scalar T>
class RowUpdate {
 public:
  virtual ~RowUpdate() = default;
  /// H of the updates that follow.
  virtual void set_H(const FixedH<T>& h) = 0;
  /// One update of the rows w; `number` counts the updates of these rows with this H from 1 on. Returns their violation
  /// (0 for multiplicative updates).
  virtual double update(MatrixView<T> w, const RowProducts<T>& products, Index number, Workspace<T>& work) const = 0;
};

/// All that solving for rows of W needs: the loss, H and an update. Without an update, W can be looked at only.
template <Scalar T>
struct RowSolver {
  RowSolver(const Loss& loss_, StorageKind kind_, Index columns_, Index components_, RowUpdate<T>* update_ = nullptr,
            const Observation* observation_ = nullptr)
      : loss(loss_),
        kind(kind_),
        columns(columns_),
        components(components_),
        h(loss_, kind_, columns_, components_),
        update(update_),
        observation(observation_) {}

  /// sums: those of h.add_sums, of all rows of Ht (n × k). Every rank the same.
  void set_H(const Matrix<T>& Ht, std::span<const double> sums) {
    h.set(Ht, sums);
    if (update != nullptr) update->set_H(h);
    ++version;
  }
  /// The same with sums that each rank forms for itself. Threads share the work.
  void set_H(const Matrix<T>& Ht) {
    TreeSum<ColumnNumbers> sums;
    sum_over_columns(sums, columns, {0, columns}, h.size_of_sums(),
                     [&](int thread, Range some, Index group, double* numbers) {
                       h.add_sums(thread, Ht.view().middle_rows(some), group, numbers);
                     });
    set_H(Ht, sums.nodes().front().second->values);
  }

  const Loss loss;
  const StorageKind kind;
  const Index columns;
  const Index components;
  FixedH<T> h;
  RowUpdate<T>* update;                  // owned by the caller
  Index version = 0;                     // how often H was set
  const Observation* const observation;  // of X, where not all of it is observed or rows have weights
};

}  // namespace scanmf
