#include "scanmf/solver/loss.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "solver/element_divergence.hpp"

namespace scanmf {
namespace {

/// Which updates never raise the divergence (Févotte & Idier 2011).
double multiplicative_exponent(double beta) {
  if (beta < 1) return 1 / (2 - beta);
  return beta > 2 ? 1 / (beta - 1) : 1;
}

}  // namespace

Index size_of(FactorSums kind, Index components) {
  if (kind == FactorSums::gram) return components * components;
  return kind == FactorSums::columns ? components : 0;
}

template <Scalar T>
void add_factor_sums(FactorSums kind, MatrixView<const T> f, double* sums, Workspace<T>& work, const T* weights) {
  if (kind == FactorSums::gram) add_gram<T>(f, sums, work, weights);
  if (kind == FactorSums::columns) add_column_sums<T>(f, sums, weights);
}

double Loss::closed(StorageKind kind, double element_sum, double sums_dot, const Shape& shape) const {
  switch (terms.form) {
    case DivergenceTerms::Form::half_square:
      return kind == StorageKind::dense ? element_sum : element_sum + 0.5 * sums_dot;
    case DivergenceTerms::Form::kullback_leibler:
      return element_sum + sums_dot;
    case DivergenceTerms::Form::itakura_saito:
      if (terms.complete) return element_sum;
      return element_sum - static_cast<double>(shape.rows) * static_cast<double>(shape.columns);
    case DivergenceTerms::Form::powers:
      break;
  }
  return element_sum / (terms.exponent * (terms.exponent - 1));
}

double Loss::dense_from(Index element_bytes) const {
  const double least = element_bytes == size_of(DataType::float32) ? 0.125 : 0.16;
  return std::min(2.0, dense_delay * least);
}

Loss Loss::where(StorageKind kind, Observed observed) const {
  Loss result = *this;
  const bool all_by_sums = observed == Observed::all || (kind == StorageKind::csr && observed == Observed::not_nan);
  if (!all_by_sums) result.sums = FactorSums::none;
  result.terms.complete = result.sums == FactorSums::none;
  if (observed == Observed::all) return result;
  if (!result.weights) result.weights.emplace();
  result.weights->with_denominator = true;
  result.weights->corrects = result.sums != FactorSums::none;
  result.gram_of_H = kind == StorageKind::dense && observed == Observed::not_nan && result.weights->exponent == 2;
  return result;
}

Loss frobenius() { return {}; }

Loss kullback_leibler() {
  return {.sums = FactorSums::columns,
          .weights = ElementWeights{.exponent = 1, .divide = true, .lift_numerator = true},
          .terms = {DivergenceTerms::Form::kullback_leibler, 1},
          .zero_H_below = zero_threshold,
          .dense_delay = 1.6};
}

Loss beta_divergence_loss(double beta) {
  return {.sums = FactorSums::none,
          .weights =
              ElementWeights{
                  .exponent = beta, .with_denominator = true, .lift_numerator = beta < 2, .lift_denominator = beta < 1},
          .terms = {beta == 0 ? DivergenceTerms::Form::itakura_saito : DivergenceTerms::Form::powers, beta},
          .exponent = multiplicative_exponent(beta),
          .allows_zeros = beta > 0,
          .zero_W_below = beta < 1 ? zero_threshold : 0,
          .zero_H_below = beta < 1 ? zero_threshold : 0,
          .dense_delay = std::numeric_limits<double>::infinity()};
}

Loss loss_of(double beta) {
  if (beta == 2) return frobenius();
  return beta == 1 ? kullback_leibler() : beta_divergence_loss(beta);
}

template void add_factor_sums(FactorSums, MatrixView<const float>, double*, Workspace<float>&, const float*);
template void add_factor_sums(FactorSums, MatrixView<const double>, double*, Workspace<double>&, const double*);

double element_divergence(double x, double y, double beta) {
  y = std::max(y, static_cast<double>(std::numeric_limits<float>::epsilon()));
  if (beta == 2) return (x - y) * (x - y) / 2;
  if (beta == 1) return (x > 0 ? x * std::log(x / y) : 0.0) - x + y;
  if (beta == 0) return x / y - std::log(x / y) - 1;
  return (std::pow(x, beta) + (beta - 1) * std::pow(y, beta) - beta * x * std::pow(y, beta - 1)) / (beta * (beta - 1));
}

}  // namespace scanmf
