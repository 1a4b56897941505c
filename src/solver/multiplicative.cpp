#include "scanmf/solver/multiplicative.hpp"

#include <algorithm>
#include <limits>

#include "scanmf/linalg/observed_grams.hpp"

namespace scanmf {
namespace {

/// A denominator that was formed as if all of X were observed, less what is not: correction <= 0. Never less than its
/// rounding.
template <Scalar T>
T corrected(T denominator, T correction) {
  return std::max(denominator + correction, std::numeric_limits<T>::epsilon() * denominator);
}

/// The denominators of the update of H, before penalties, a group of columns of X after the other: H times W's Gram
/// matrix, W's column sums, or RᵀW.
template <Scalar T>
class Denominators {
 public:
  Denominators(const Loss& loss, Index k, const Statistics<T>& statistics)
      : sums_(loss.sums), corrects_(loss.weights && loss.weights->corrects), statistics_(statistics) {
    if (sums_ == FactorSums::gram) w_gram_ = gram_factor<T>(statistics.W_sums, k);
  }

  /// d (rows × k) for ht_rows, the first of which is column `first_column` of X.
  void form(MatrixView<const T> ht_rows, Index first_column, MatrixView<T> d, Workspace<T>& work) const {
    if (sums_ == FactorSums::gram) multiply<T>(ht_rows, w_gram_, d, work);
    if (sums_ == FactorSums::columns) fill_with_sums(d);
    if (sums_ == FactorSums::none)
      for (Index j = 0; j < d.rows; ++j)
        std::copy_n(statistics_.denominator.row(first_column + j), d.columns, d.row(j));
    if (!corrects_) return;
    for (Index j = 0; j < d.rows; ++j) {
      bool is_observed = false;
      for (Index c = 0; c < d.columns; ++c) {
        const T hidden = -statistics_.denominator(first_column + j, c);
        is_observed = is_observed || !is_rounding(d(j, c), d(j, c) - hidden);
        d(j, c) = corrected(d(j, c), -hidden);
      }
      if (!is_observed) std::fill_n(d.row(j), d.columns, T{0});
    }
  }

 private:
  void fill_with_sums(MatrixView<T> d) const {
    for (Index j = 0; j < d.rows; ++j) {
      for (Index c = 0; c < d.columns; ++c) {
        const auto sum = static_cast<T>(statistics_.W_sums[static_cast<std::size_t>(c)]);
        d(j, c) = sum == T{0} ? T{1} : sum;
      }
    }
  }

  FactorSums sums_;
  bool corrects_;
  Statistics<T> statistics_;
  RightFactor<T> w_gram_;
};

/// Calls update(group of rows of the slice, rows of h, numerator, denominator) for all of a slice of H. Threads share
/// the work.
template <Scalar T, class Update>
void for_row_groups_of_H(const Loss& loss, MatrixView<T> ht_slice, Range slice, const Statistics<T>& statistics,
                         Update&& update) {
  const Index k = ht_slice.columns;
  const Denominators<T> denominators(loss, k, statistics);
  struct Scratch {
    Workspace<T> work;
    Workspace<T> denominator;
  };
  const Team team;
  std::vector<Scratch> scratch(static_cast<std::size_t>(team.size()));
  team.in_groups(slice.size(), row_group, [&](int thread, Range rows) {
    Scratch& own = scratch[static_cast<std::size_t>(thread)];
    const MatrixView<T> h = ht_slice.middle_rows(rows);
    const MatrixView<T> d(own.denominator.reserve(rows.size() * k), rows.size(), k);
    const Range columns{slice.begin + rows.begin, slice.begin + rows.end};
    denominators.form(h, columns.begin, d, own.work);
    update(rows, h, statistics.numerator.middle_rows(columns), d);
  });
}

}  // namespace

template <Scalar T>
MultiplicativeRows<T>::MultiplicativeRows(const Loss& loss, Index n_components, const Penalties& penalties,
                                          bool zero_small)
    : loss_(loss), penalties_(penalties), zero_below_(zero_small ? loss.zero_W_below : 0), h_sums_(1, n_components) {}

template <Scalar T>
void MultiplicativeRows<T>::set_H(const FixedH<T>& h) {
  if (loss_.sums == FactorSums::gram) h_gram_ = gram_factor<T>(h.factor_sums(), h_sums_.columns());
  if (loss_.sums == FactorSums::columns)
    std::ranges::transform(h.factor_sums(), h_sums_.data(), [](double sum) { return static_cast<T>(sum); });
}

template <Scalar T>
double MultiplicativeRows<T>::update(MatrixView<T> w, const RowProducts<T>& products, Index, Workspace<T>& work) const {
  MatrixView<const T> denominator = products.denominator;
  if (loss_.sums == FactorSums::columns) denominator = MatrixView<const T>(h_sums_.data(), w.rows, w.columns, 0);
  if (loss_.weights && loss_.weights->corrects) {
    Matrix<T> all;
    if (loss_.sums == FactorSums::gram) {
      all = Matrix<T>(w.rows, w.columns);
      multiply<T>(w, h_gram_, all.view(), work);
      denominator = all.view();
    }
    for (Index i = 0; i < w.rows; ++i)
      for (Index c = 0; c < w.columns; ++c)
        products.denominator(i, c) = corrected(denominator(i, c), products.denominator(i, c));
    denominator = products.denominator;
  } else if (loss_.sums == FactorSums::gram) {
    multiply<T>(w, h_gram_, products.denominator, work);
  }
  for_runs_of_weights(penalties_.has_W() ? products.tile.weights() : nullptr, w.rows, [&](Range rows, double divisor) {
    multiply_rows<T>(w.middle_rows(rows), products.numerator.middle_rows(rows), denominator.middle_rows(rows),
                     penalties_.l1_W / divisor, penalties_.l2_W / divisor, loss_.exponent, zero_below_);
  });
  return 0;
}

template <Scalar T>
void MultiplicativeFactor<T>::update(MatrixView<T> ht_slice, Range slice, const Statistics<T>& statistics,
                                     double* violations) {
  std::fill_n(violations, slice.size(), 0.0);
  for_row_groups_of_H<T>(loss_, ht_slice, slice, statistics,
                         [&](Range, MatrixView<T> h, MatrixView<const T> numerator, MatrixView<const T> denominator) {
                           multiply_rows<T>(h, numerator, denominator, penalties_.l1_H, penalties_.l2_H, loss_.exponent,
                                            loss_.zero_H_below);
                         });
}

namespace {

/// A and B of elements of H of which a batch says nothing: they lose weight as ever, but not so much that the numbers
/// end, and with them H = (A/B)^γ.
template <Scalar T>
void forget_some(MatrixView<T> a, MatrixView<T> b, double rho) {
  constexpr T least = std::numeric_limits<T>::min() / std::numeric_limits<T>::epsilon();
  const auto factor = static_cast<T>(rho);
  for (Index j = 0; j < a.rows; ++j) {
    for (Index c = 0; c < a.columns; ++c) {
      if (b(j, c) * factor < least || (a(j, c) > T{0} && a(j, c) * factor < least)) continue;
      a(j, c) *= factor;
      b(j, c) *= factor;
    }
  }
}

/// Calls body(rows, whether their denominators are all 0) for runs of rows that have this in common.
template <Scalar T, class Body>
void for_runs(MatrixView<const T> denominator, Body&& body) {
  const auto is_zero = [&](Index j) {
    return std::all_of(denominator.row(j), denominator.row(j) + denominator.columns, [](T d) { return d == T{0}; });
  };
  for (Index begin = 0; begin < denominator.rows;) {
    const bool zero = is_zero(begin);
    Index end = begin + 1;
    while (end < denominator.rows && is_zero(end) == zero) ++end;
    body(Range{begin, end}, zero);
    begin = end;
  }
}

}  // namespace

template <Scalar T>
void MiniBatchFactor<T>::update(MatrixView<T> ht_slice, Range slice, const Statistics<T>& statistics,
                                double* violations) {
  std::fill_n(violations, slice.size(), 0.0);
  const MiniBatchUpdate numbers{accumulators_.rho, penalties_.l1_H, penalties_.l2_H, loss_.exponent,
                                loss_.zero_H_below};
  const bool some_missing = loss_.terms.complete || (loss_.weights && loss_.weights->corrects);
  for_row_groups_of_H<T>(
      loss_, ht_slice, slice, statistics,
      [&](Range rows, MatrixView<T> h, MatrixView<const T> numerator, MatrixView<const T> denominator) {
        const MatrixView<T> a = accumulators_.A.middle_rows(rows);
        const MatrixView<T> b = accumulators_.B.middle_rows(rows);
        if (!some_missing) return accumulate_mini_batch<T>(h, numerator, denominator, a, b, numbers);
        for_runs<T>(denominator, [&](Range run, bool nothing_observed) {
          if (nothing_observed) return forget_some<T>(a.middle_rows(run), b.middle_rows(run), numbers.rho);
          accumulate_mini_batch<T>(h.middle_rows(run), numerator.middle_rows(run), denominator.middle_rows(run),
                                   a.middle_rows(run), b.middle_rows(run), numbers);
        });
      });
}

template <Scalar T>
void MiniBatchFactor<T>::forget() {
  forget_some<T>(accumulators_.A, accumulators_.B, accumulators_.rho);
}

template class MultiplicativeRows<float>;
template class MultiplicativeRows<double>;
template class MultiplicativeFactor<float>;
template class MultiplicativeFactor<double>;
template class MiniBatchFactor<float>;
template class MiniBatchFactor<double>;

}  // namespace scanmf
