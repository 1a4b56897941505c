#include "scanmf/linalg/exact_sums.hpp"

#include <algorithm>
#include <type_traits>
#include <vector>

#include "linalg/strips.hpp"
#include "scanmf/linalg/observed_grams.hpp"

namespace scanmf {
namespace {

constexpr DivergenceTerms half_square{DivergenceTerms::Form::half_square, 2, true};

/// Row i of a sparse tile: ½(Σ_stored (x − y)² − y² + Σ_all y²), where what is stored and not observed adds −y² alone.
template <Scalar T>
double half_square_of_row(const CsrTile<T>& x, Index i, const T* w, const RightFactor<T>& h, const double* h_gram) {
  const Index k = h.components();
  const Index stride = padded_components<T>(k);
  double sum = 0;
  for_each_in_row(x, i, [&](Index column, T element) {
    const T* const of_column = h.rows() + column * stride;
    double y = 0;
#pragma omp simd reduction(+ : y)
    for (Index c = 0; c < k; ++c) y += static_cast<double>(w[c]) * static_cast<double>(of_column[c]);
    const auto value = static_cast<double>(element);
    sum += is_observed(x.observed, element) ? value * (value - 2 * y) : -y * y;
  });
  for (Index a = 0; a < k; ++a) {
    double of_gram = 0;
#pragma omp simd reduction(+ : of_gram)
    for (Index b = 0; b < k; ++b) of_gram += h_gram[a * k + b] * static_cast<double>(w[b]);
    sum += of_gram * static_cast<double>(w[a]);
  }
  return sum / 2;
}

template <Scalar T>
double half_square_of(const CsrTile<T>& x, MatrixView<const T> w, const RightFactor<T>& h, const double* h_gram,
                      Workspace<T>& work) {
  if (x.observed == Observed::not_zero) return divergence_sum<T>(x, w, h, half_square, work);  // element by element
  double sum = 0;
  for (Index i = 0; i < x.rows; ++i) {
    const double weight = x.weights == nullptr ? 1.0 : static_cast<double>(x.weights[i]);
    if (weight > 0) sum += weight * half_square_of_row(x, i, w.row(i), h, h_gram);
  }
  return sum;
}
template <Scalar T>
double half_square_of(const DenseTile<T>& x, MatrixView<const T> w, const RightFactor<T>& h, const double*,
                      Workspace<T>& work) {
  return divergence_sum<T>(x, w, h, half_square, work);
}

}  // namespace

template <Scalar T>
void add_exact_gram(MatrixView<const T> f, double* gram, Workspace<double>& work, const T* weights) {
  if constexpr (std::is_same_v<T, double>) {
    add_gram<double>(f, gram, work, weights);
  } else {
    std::vector<double> rows(static_cast<std::size_t>(row_group * f.columns));
    std::vector<double> of_rows(weights == nullptr ? std::size_t{0} : std::size_t{row_group});
    for_row_groups(f.rows, [&](Index i, Index count) {
      for (Index r = 0; r < count; ++r) std::copy_n(f.row(i + r), f.columns, rows.data() + r * f.columns);
      if (weights != nullptr) std::copy_n(weights + i, count, of_rows.data());
      add_gram<double>({rows.data(), count, f.columns}, gram, work, weights == nullptr ? nullptr : of_rows.data());
    });
  }
}

template <Scalar T>
double exact_half_square(const TileView<T>& x, MatrixView<const T> w, const RightFactor<T>& h, const double* h_gram,
                         Workspace<T>& work) {
  return x.visit([&](const auto& tile) { return half_square_of(tile, w, h, h_gram, work); });
}

template void add_exact_gram(MatrixView<const float>, double*, Workspace<double>&, const float*);
template void add_exact_gram(MatrixView<const double>, double*, Workspace<double>&, const double*);
template double exact_half_square(const TileView<float>&, MatrixView<const float>, const RightFactor<float>&,
                                  const double*, Workspace<float>&);
template double exact_half_square(const TileView<double>&, MatrixView<const double>, const RightFactor<double>&,
                                  const double*, Workspace<double>&);

}  // namespace scanmf
