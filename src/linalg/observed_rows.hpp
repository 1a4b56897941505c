#pragma once

#include <span>

#include "linalg/kernels.hpp"

// What the operations on tiles do where not every element is observed, or rows have weights.

namespace scanmf {

template <Scalar T>
void scale(T weight, Index count, T* values) {
  for (Index i = 0; i < count; ++i) values[i] *= weight;
}

/// Rows times their weights, in `room`; w itself without weights.
template <Scalar T>
MatrixView<const T> weighted_rows(const T* weights, MatrixView<const T> w, T* room) {
  if (weights == nullptr) return w;
  for (Index i = 0; i < w.rows; ++i)
    for (Index c = 0; c < w.columns; ++c) room[i * w.columns + c] = weights[i] * w(i, c);
  return {room, w.rows, w.columns};
}

/// Sums of rows, each with its weight.
template <Scalar T>
double weighted_sum(const T* weights, std::span<const double> of_rows) {
  double sum = 0;
  for (std::size_t i = 0; i < of_rows.size(); ++i)
    sum += (weights == nullptr ? 1.0 : static_cast<double>(weights[i])) * of_rows[i];
  return sum;
}

/// The observed ones of some elements of X, with those of Y = W·H, side by side; and those of Y that are not observed.
template <Scalar T>
class ObservedPairs {
 public:
  /// scratch: 2·count elements.
  ObservedPairs(Observed observed, const T* x, const T* y, Index count, T* scratch) : x_(x), y_(y), count_(count) {
    if (observed == Observed::all) return;
    T* const xs = scratch;
    T* const ys = scratch + count;
    count_ = 0;
    for (Index i = 0; i < count; ++i) {
      if (is_observed(observed, x[i])) {
        xs[count_] = x[i];
        ys[count_++] = y[i];
      } else {
        ++hidden_;
        ys[count - hidden_] = y[i];
      }
    }
    x_ = xs;
    y_ = ys;
    hidden_y_ = ys + count_;
  }

  /// Terms of a divergence of which each element counts, zeros included.
  double divergence(const DivergenceTerms& terms) const {
    return kernels::vectors<T>().divergence_terms(x_, y_, count_, terms) + completion(terms);
  }
  /// The same where zeros that are not stored are observed too, and are summed elsewhere as if all others were stored:
  /// what is not observed is taken from that.
  double stored_divergence(const DivergenceTerms& terms) const {
    return kernels::vectors<T>().stored_terms(x_, y_, count_, terms) + of_ones(terms) - of_hidden(terms);
  }

 private:
  using Form = DivergenceTerms::Form;
  double of_ones(const DivergenceTerms& terms) const {
    return terms.complete && terms.form == Form::itakura_saito ? -static_cast<double>(count_) : 0.0;
  }
  double completion(const DivergenceTerms& terms) const {
    if (terms.complete && terms.form == Form::kullback_leibler)
      return kernels::vectors<T>().sum_of_powers(y_, count_, 1.0);
    return of_ones(terms);
  }
  double of_hidden(const DivergenceTerms& terms) const {
    if (hidden_ == 0 || terms.form == Form::itakura_saito) return 0;
    if (terms.form == Form::half_square) return kernels::vectors<T>().sum_of_squares(hidden_y_, hidden_) / 2;
    if (terms.form == Form::kullback_leibler) return kernels::vectors<T>().sum_of_powers(hidden_y_, hidden_, 1.0);
    return (terms.exponent - 1) * kernels::vectors<T>().sum_of_powers(hidden_y_, hidden_, terms.exponent);
  }

  const T* x_;
  const T* y_;
  Index count_;
  const T* hidden_y_ = nullptr;
  Index hidden_ = 0;
};

}  // namespace scanmf
