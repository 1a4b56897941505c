#include "scanmf/linalg/repeated_sweeps.hpp"

#include <algorithm>
#include <array>
#include <limits>

#include "core/at.hpp"
#include "linalg/lane_sums.hpp"
#include "linalg/strips.hpp"
#include "scanmf/linalg/observed_grams.hpp"

namespace scanmf {
namespace {

/// A change of a row that is none any more, after a first sweep that has changed it by ‖Δ‖² = change.
template <Scalar T>
T threshold_after(T change, T norm_squared) {
  constexpr T enough = static_cast<T>(0.01);
  constexpr T rounding = 4 * std::numeric_limits<T>::epsilon();
  return std::max(enough * change, rounding * rounding * norm_squared);
}

/// A group of rows that are being swept, transposed as the kernel takes them. Rows that are done are written back and
/// leave when they are half of the group.
template <Scalar T>
class SweptRows {
 public:
  SweptRows(MatrixView<T> f, MatrixView<const T> p, T l1, Workspace<T>& work)
      : f_(f),
        k_(f.columns),
        stride_(padded_columns<T>(f.rows)),
        ft_(work.reserve(2 * k_ * stride_)),
        pt_(ft_ + k_ * stride_),
        places_(f.rows),
        waiting_(f.rows) {
    kernels::vectors<T>().transpose(f.data, f.stride, f.rows, k_, ft_, stride_);
    kernels::vectors<T>().transpose(p.data, p.stride, f.rows, k_, pt_, stride_);
    for (Index c = 0; c < k_; ++c)
      for (Index i = 0; i < f.rows; ++i) pt_[c * stride_ + i] -= l1;
    for (Index i = 0; i < f.rows; ++i) row_[at(i)] = i;
    clear_padding();
  }

  bool any() const { return waiting_ > 0; }

  void sweep(const T* gram, const Index* order) {
    kernels::sweeps<T>().sweep_and_measure(ft_, pt_, padded_columns<T>(places_), stride_, gram, k_, order,
                                           violation_.data(), change_.data());
  }
  /// Of the first sweep, when each row still has its place.
  double violation(double* of_rows) const { return sum_in_order(violation_.data(), places_, of_rows); }

  /// After the first sweep: what a row's change is compared with.
  void set_thresholds() {
    for (Index i = 0; i < places_; ++i) {
      T norm_squared = 0;
      for (Index c = 0; c < k_; ++c) norm_squared += ft_[c * stride_ + i] * ft_[c * stride_ + i];
      threshold_[at(i)] = threshold_after(change_[at(i)], norm_squared);
    }
  }

  /// Rows that have settled are done; all are, if this was the last sweep.
  void retire(bool all) {
    for (Index i = 0; i < places_; ++i) {
      if (row_[at(i)] < 0 || (!all && change_[at(i)] > threshold_[at(i)])) continue;
      T* const row = f_.row(row_[at(i)]);
      for (Index c = 0; c < k_; ++c) row[c] = ft_[c * stride_ + i];
      row_[at(i)] = -1;
      --waiting_;
    }
    if (any() && 2 * waiting_ <= places_) close_ranks();
  }

 private:
  void close_ranks() {
    Index to = 0;
    for (Index i = 0; i < places_; ++i) {
      if (row_[at(i)] < 0) continue;
      for (Index c = 0; c < k_; ++c) {
        ft_[c * stride_ + to] = ft_[c * stride_ + i];
        pt_[c * stride_ + to] = pt_[c * stride_ + i];
      }
      row_[at(to)] = row_[at(i)];
      threshold_[at(to)] = threshold_[at(i)];
      ++to;
    }
    places_ = to;
    clear_padding();
  }

  void clear_padding() {
    const Index padded = padded_columns<T>(places_);
    for (Index c = 0; c < k_; ++c) {
      std::fill(ft_ + c * stride_ + places_, ft_ + c * stride_ + padded, T{0});
      std::fill(pt_ + c * stride_ + places_, pt_ + c * stride_ + padded, T{0});
    }
  }

  static constexpr std::size_t room = static_cast<std::size_t>(padded_columns<T>(row_group));
  MatrixView<T> f_;
  Index k_;
  Index stride_;
  T* ft_;
  T* pt_;
  Index places_;                 // rows that are swept
  Index waiting_;                // of them, not done
  std::array<Index, room> row_;  // of f; negative: done
  std::array<T, room> violation_;
  std::array<T, room> change_;
  std::array<T, room> threshold_;
};

}  // namespace

template <Scalar T>
double sweep_rows_repeatedly(MatrixView<T> f, MatrixView<const T> p, double l1, const T* gram, const Index* order,
                             Index most, Workspace<T>& work, double* of_rows) {
  double violation = 0;
  for_row_groups(f.rows, [&](Index i, Index rows) {
    SweptRows<T> group(f.middle_rows({i, i + rows}), p.middle_rows({i, i + rows}), static_cast<T>(l1), work);
    group.sweep(gram, order);
    violation += group.violation(of_rows == nullptr ? nullptr : of_rows + i);
    group.set_thresholds();
    group.retire(most <= 1);
    for (Index sweeps = 2; group.any(); ++sweeps) {
      group.sweep(gram, order);
      group.retire(sweeps >= most);
    }
  });
  return violation;
}

template <Scalar T>
double sweep_row_repeatedly(T* f, const T* p, double l1, const T* gram, Index k, const Index* order, Index most,
                            Workspace<T>& work) {
  const Index stride = padded_components<T>(k);
  T* const gradients = work.reserve(stride + k);
  const auto sweep = [&] {
    return kernels::sweeps<T>().sweep_row(f, p, static_cast<T>(l1), gram, stride, k, order, gradients);
  };
  if (most <= 1) return sweep();
  T* const before = gradients + stride;
  const auto change_of_sweep = [&](double& violation) {
    std::copy_n(f, k, before);
    violation = sweep();
    T change = 0;
    for (Index c = 0; c < k; ++c) change += (f[c] - before[c]) * (f[c] - before[c]);
    return change;
  };
  double first = 0;
  double further = 0;
  const T change = change_of_sweep(first);
  T norm_squared = 0;
  for (Index c = 0; c < k; ++c) norm_squared += f[c] * f[c];
  const T threshold = threshold_after(change, norm_squared);
  bool goes_on = change > threshold;
  for (Index sweeps = 2; goes_on && sweeps <= most; ++sweeps) goes_on = change_of_sweep(further) > threshold;
  return first;
}

Index most_sweeps(Index elements, Index rows, Index components) {
  const double share = static_cast<double>(elements) / (static_cast<double>(rows) * static_cast<double>(components));
  return 1 + static_cast<Index>((1 + share) / 2);
}

template double sweep_row_repeatedly(float*, const float*, double, const float*, Index, const Index*, Index,
                                     Workspace<float>&);
template double sweep_row_repeatedly(double*, const double*, double, const double*, Index, const Index*, Index,
                                     Workspace<double>&);
template double sweep_rows_repeatedly(MatrixView<float>, MatrixView<const float>, double, const float*, const Index*,
                                      Index, Workspace<float>&, double*);
template double sweep_rows_repeatedly(MatrixView<double>, MatrixView<const double>, double, const double*, const Index*,
                                      Index, Workspace<double>&, double*);

}  // namespace scanmf
