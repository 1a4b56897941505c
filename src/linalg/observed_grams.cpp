#include "scanmf/linalg/observed_grams.hpp"

#include <algorithm>
#include <cmath>

#include "linalg/gram_of_rows.hpp"
#include "linalg/observed_bits.hpp"

namespace scanmf {
namespace {

/// The columns of a row that are observed, or that are not, ascending. Zeros of sparse X that are not stored are
/// observed, unless what is not stored is not.
template <Scalar T>
void list_columns(const CsrTile<T>& x, Index row, bool observed, std::vector<std::int32_t>& list) {
  const bool with_implicit = observed && x.observed == Observed::not_nan;
  Index next = 0;
  const auto list_up_to = [&](Index column) {
    for (; next < column; ++next) list.push_back(static_cast<std::int32_t>(next));
  };
  for_each_in_row(x, row, [&](Index column, T element) {
    const bool is = is_observed(x.observed, element);
    if (with_implicit) {
      list_up_to(column);
      next = is ? column : column + 1;
    } else if (is == observed) {
      list.push_back(static_cast<std::int32_t>(column));
    }
  });
  if (with_implicit) list_up_to(x.columns);
}
template <Scalar T>
void list_columns(const DenseTile<T>& x, Index row, bool observed, std::vector<std::int32_t>& list) {
  for (Index begin = 0; begin < x.columns; begin += strip_columns<T>) {
    const std::uint64_t bits = observed_bits(x, row, begin);
    for_each_bit((observed ? bits : ~bits) & bits_of_columns<T>(begin, x.columns),
                 [&](Index j) { list.push_back(static_cast<std::int32_t>(begin + j)); });
  }
}

/// How many elements of a row are missing, as far as they are held.
template <Scalar T>
Index missing_in_row(const CsrTile<T>& x, Index row) {
  Index missing = 0;
  for_each_in_row(x, row, [&](Index, T element) { missing += is_observed(x.observed, element) ? 0 : 1; });
  return missing;
}
template <Scalar T>
Index missing_in_row(const DenseTile<T>& x, Index row) {
  Index missing = 0;
  for (Index begin = 0; begin < x.columns; begin += strip_columns<T>)
    missing += std::popcount(~observed_bits(x, row, begin) & bits_of_columns<T>(begin, x.columns));
  return missing;
}

/// Whether so little is left of some element of a diagonal that its difference has lost digits.
template <Scalar T>
bool has_lost_digits(const T* full, const T* gram, Index k) {
  constexpr T enough = 0.25;
  for (Index c = 0; c < k; ++c)
    if (!(gram[c * k + c] >= enough * full[c * k + c])) return true;
  return false;
}

}  // namespace

template <Scalar T>
void row_gram(const TileView<T>& x, Index row, const RightFactor<T>& h, const T* full, T* gram, Workspace<T>& work) {
  const Index k = h.components();
  const Index stride = padded_components<T>(k);
  std::vector<std::int32_t> list;
  x.visit([&]<class Tile>(const Tile& tile) {
    const auto sum_over = [&](bool observed) {
      list.clear();
      list_columns(tile, row, observed, list);
      GramOfRows<T> sum(k, false, work);
      for (const std::int32_t column : list) sum.push(h.rows() + column * stride);
      if (observed)
        std::fill_n(gram, k * k, T{0});
      else
        std::copy_n(full, k * k, gram);
      sum.take([&](Index a, Index b, const T* elements, Index count) {
        for (Index e = 0; e < count; ++e)
          gram[a * k + b + e] = gram[(b + e) * k + a] = observed ? elements[e] : gram[a * k + b + e] - elements[e];
      });
    };
    const bool stored_alone = std::is_same_v<Tile, CsrTile<T>> && tile.observed == Observed::not_zero;
    const bool few = stored_alone || missing_in_row(tile, row) > tile.columns / 2;
    sum_over(few);
    if (!few && has_lost_digits(full, gram, k)) sum_over(true);
  });
}

template <Scalar T>
double sweep_row(T* f, const T* p, double l1, const T* gram, Index k, const Index* order) {
  double violation = 0;
  for (Index at = 0; at < k; ++at) {
    const Index t = order[at];
    const T* const row = gram + t * k;
    T sum = 0;
#pragma omp simd reduction(+ : sum)
    for (Index c = 0; c < k; ++c) sum += row[c] * f[c];
    const T gradient = sum - p[t] + static_cast<T>(l1);
    violation += static_cast<double>(f[t] == T{0} ? std::abs(std::min(gradient, T{0})) : std::abs(gradient));
    if (row[t] != T{0}) f[t] = std::max(f[t] - gradient / row[t], T{0});
  }
  return violation;
}

template double sweep_row(float*, const float*, double, const float*, Index, const Index*);
template double sweep_row(double*, const double*, double, const double*, Index, const Index*);
template void row_gram(const TileView<float>&, Index, const RightFactor<float>&, const float*, float*,
                       Workspace<float>&);
template void row_gram(const TileView<double>&, Index, const RightFactor<double>&, const double*, double*,
                       Workspace<double>&);

}  // namespace scanmf
