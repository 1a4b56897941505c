#include "scanmf/solver/multiplicative.hpp"

#include <algorithm>

#include "scanmf/core/error.hpp"

namespace scanmf {
namespace {

/// A k × k Gram matrix as the right factor of a product with it.
template <Scalar T>
RightFactor<T> gram_factor(const double* gram, Index k) {
  Matrix<T> square(k, k);
  for (Index i = 0; i < k * k; ++i) square.data()[i] = static_cast<T>(gram[i]);
  RightFactor<T> factor(StorageKind::dense, k, k);
  factor.assign(square.view());
  return factor;
}

}  // namespace

double multiplicative_exponent(double beta) {
  if (beta < 1) return 1 / (2 - beta);
  return beta > 2 ? 1 / (beta - 1) : 1;
}

template <Scalar T>
Multiplicative<T>::Multiplicative(StorageKind kind, Index columns, Index n_components, double beta, const Penalties& penalties, bool zero_small_W)
    : UpdateRule<T>(kind, columns, n_components, beta),
      penalties_(penalties),
      zero_small_W_(zero_small_W),
      gamma_(multiplicative_exponent(beta)),
      h_sums_row_(1, n_components) {}

template <Scalar T>
void Multiplicative<T>::prepare() {
  if (this->beta_ == 2) h_gram_factor_ = gram_factor<T>(this->h_gram().data(), this->k_);
  if (this->beta_ == 1) std::ranges::transform(this->h_gram(), h_sums_row_.data(), [](double sum) { return static_cast<T>(sum); });
}

template <Scalar T>
template <class Tile>
void Multiplicative<T>::update(const Tile& x, MatrixView<T> w, Index local_row, ThreadState& state) {
  const Index k = this->k_;
  T* const rows = state.rows.reserve(3 * w.rows * k);
  MatrixView<T> numerator(rows, w.rows, k);
  MatrixView<T> denominator(rows + w.rows * k, w.rows, k);
  if (this->beta_ == 2) {
    numerator = this->projection(x, local_row, state);
    multiply<T>(w, h_gram_factor_, denominator, state.work);
  } else {
    project_weighted<T>(x, w, this->h_, this->beta_, numerator, denominator, state.work);
  }
  if (this->beta_ == 1) denominator = MatrixView<T>(h_sums_row_.data(), w.rows, k, 0);
  const double zero_below = zero_small_W_ && this->beta_ < 1 ? zero_threshold : 0;
  multiply_rows<T>(w, numerator, denominator, penalties_.l1_W, penalties_.l2_W, gamma_, zero_below);
}

template <Scalar T>
void Multiplicative<T>::h_denominator(MatrixView<const T> ht_rows, Index first_column, const RightFactor<T>& w_gram, MatrixView<T> d,
                                      Workspace<T>& work) const {
  if (this->beta_ == 2) {
    multiply<T>(ht_rows, w_gram, d, work);
    return;
  }
  for (Index j = 0; j < d.rows; ++j) {
    for (Index c = 0; c < this->k_; ++c) {
      if (this->beta_ == 1) {
        const auto sum = static_cast<T>(this->gram_sums()[c]);
        d(j, c) = sum == T{0} ? T{1} : sum;
      } else {
        d(j, c) = this->denominator_(first_column + j, c);
      }
    }
  }
}

template <Scalar T>
double Multiplicative<T>::finish_pass(MatrixView<T> ht_slice, Range slice) {
  const Index k = this->k_;
  const RightFactor<T> w_gram = this->beta_ == 2 ? gram_factor<T>(this->gram_sums(), k) : RightFactor<T>();
  const double zero_below = this->beta_ <= 1 ? zero_threshold : 0;
  constexpr Index group = 96;
  const Index groups = (slice.size() + group - 1) / group;
#pragma omp parallel
  {
    Workspace<T> work;
    Workspace<T> rows;
#pragma omp for schedule(static)
    for (Index g = 0; g < groups; ++g) {
      const Range range{g * group, std::min(slice.size(), (g + 1) * group)};
      const MatrixView<T> h = ht_slice.middle_rows(range);
      const MatrixView<const T> numerator = this->numerator_.view().middle_rows({slice.begin + range.begin, slice.begin + range.end});
      const MatrixView<T> d(rows.reserve(range.size() * k), range.size(), k);
      h_denominator(h, slice.begin + range.begin, w_gram, d, work);
      if (accumulators_ == nullptr) {
        multiply_rows<T>(h, numerator, d, penalties_.l1_H, penalties_.l2_H, gamma_, zero_below);
      } else {
        accumulate_mini_batch<T>(h, numerator, d, accumulators_->A.view().middle_rows(range), accumulators_->B.view().middle_rows(range),
                                 {accumulators_->rho, penalties_.l1_H, penalties_.l2_H, gamma_, zero_below});
      }
    }
  }
  return 0;
}

template <Scalar T>
void Multiplicative<T>::update_rows(const DenseTile<T>& x, MatrixView<T> w, Index local_row, ThreadState& state) {
  update(x, w, local_row, state);
}

template <Scalar T>
void Multiplicative<T>::update_rows(const CsrTile<T>& x, MatrixView<T> w, Index local_row, ThreadState& state) {
  update(x, w, local_row, state);
}

template class Multiplicative<float>;
template class Multiplicative<double>;

}  // namespace scanmf
