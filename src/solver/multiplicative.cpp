#include "scanmf/solver/multiplicative.hpp"

#include <algorithm>

namespace scanmf {
namespace {

/// A k × k Gram matrix as the right factor of a product with it, in a factor of that shape.
template <Scalar T>
void assign_gram(std::span<const double> gram, Index k, RightFactor<T>& factor) {
  Matrix<T> square(k, k);
  std::ranges::transform(gram, square.data(), [](double value) { return static_cast<T>(value); });
  factor.assign(square.view());
}

template <Scalar T>
RightFactor<T> gram_factor(FactorSums sums, Index k) {
  return sums == FactorSums::gram ? RightFactor<T>(StorageKind::dense, k, k) : RightFactor<T>();
}

/// The denominators of the update of H, before penalties, a group of columns of X after the other: H times W's Gram
/// matrix, W's column sums, or RᵀW.
template <Scalar T>
class Denominators {
 public:
  Denominators(FactorSums sums, Index k, const Statistics<T>& statistics)
      : sums_(sums), statistics_(statistics), w_gram_(gram_factor<T>(sums, k)) {
    if (sums == FactorSums::gram) assign_gram(statistics.W_sums, k, w_gram_);
  }

  /// d (rows × k) for ht_rows, the first of which is column `first_column` of X.
  void form(MatrixView<const T> ht_rows, Index first_column, MatrixView<T> d, Workspace<T>& work) const {
    if (sums_ == FactorSums::gram) multiply<T>(ht_rows, w_gram_, d, work);
    if (sums_ == FactorSums::columns) fill_with_sums(d);
    if (sums_ == FactorSums::none)
      for (Index j = 0; j < d.rows; ++j)
        std::copy_n(statistics_.denominator.row(first_column + j), d.columns, d.row(j));
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
  Statistics<T> statistics_;
  RightFactor<T> w_gram_;
};

/// Calls update(group of rows of the slice, rows of h, numerator, denominator) for all of a slice of H. Threads share
/// the work.
template <Scalar T, class Update>
void for_row_groups_of_H(const Loss& loss, MatrixView<T> ht_slice, Range slice, const Statistics<T>& statistics,
                         Update&& update) {
  const Index k = ht_slice.columns;
  const Denominators<T> denominators(loss.sums, k, statistics);
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
    : loss_(loss),
      penalties_(penalties),
      zero_below_(zero_small ? loss.zero_W_below : 0),
      h_gram_(gram_factor<T>(loss.sums, n_components)),
      h_sums_(1, n_components) {}

template <Scalar T>
void MultiplicativeRows<T>::set_H(const FixedH<T>& h) {
  if (loss_.sums == FactorSums::gram) assign_gram(h.factor_sums(), h_sums_.columns(), h_gram_);
  if (loss_.sums == FactorSums::columns)
    std::ranges::transform(h.factor_sums(), h_sums_.data(), [](double sum) { return static_cast<T>(sum); });
}

template <Scalar T>
double MultiplicativeRows<T>::update(MatrixView<T> w, const RowProducts<T>& products, Index, Workspace<T>& work) const {
  MatrixView<const T> denominator = products.denominator;
  if (loss_.sums == FactorSums::gram) multiply<T>(w, h_gram_, products.denominator, work);
  if (loss_.sums == FactorSums::columns) denominator = MatrixView<const T>(h_sums_.data(), w.rows, w.columns, 0);
  multiply_rows<T>(w, products.numerator, denominator, penalties_.l1_W, penalties_.l2_W, loss_.exponent, zero_below_);
  return 0;
}

template <Scalar T>
double MultiplicativeFactor<T>::update(MatrixView<T> ht_slice, Range slice, const Statistics<T>& statistics) {
  for_row_groups_of_H<T>(loss_, ht_slice, slice, statistics,
                         [&](Range, MatrixView<T> h, MatrixView<const T> numerator, MatrixView<const T> denominator) {
                           multiply_rows<T>(h, numerator, denominator, penalties_.l1_H, penalties_.l2_H, loss_.exponent,
                                            loss_.zero_H_below);
                         });
  return 0;
}

template <Scalar T>
double MiniBatchFactor<T>::update(MatrixView<T> ht_slice, Range slice, const Statistics<T>& statistics) {
  const MiniBatchUpdate numbers{accumulators_.rho, penalties_.l1_H, penalties_.l2_H, loss_.exponent,
                                loss_.zero_H_below};
  for_row_groups_of_H<T>(
      loss_, ht_slice, slice, statistics,
      [&](Range rows, MatrixView<T> h, MatrixView<const T> numerator, MatrixView<const T> denominator) {
        accumulate_mini_batch<T>(h, numerator, denominator, accumulators_.A.middle_rows(rows),
                                 accumulators_.B.middle_rows(rows), numbers);
      });
  return 0;
}

template class MultiplicativeRows<float>;
template class MultiplicativeRows<double>;
template class MultiplicativeFactor<float>;
template class MultiplicativeFactor<double>;
template class MiniBatchFactor<float>;
template class MiniBatchFactor<double>;

}  // namespace scanmf
