// Operations on tiles, which ask for the storage kind once, and on rows of factors.
#include "scanmf/linalg/operations.hpp"

#include <array>
#include <numeric>

#include "core/contract.hpp"
#include "linalg/lane_sums.hpp"
#include "linalg/strips.hpp"
#include "linalg/tile_operations.hpp"

namespace scanmf {

template <Scalar T>
void project(const TileView<T>& x, const RightFactor<T>& h, MatrixView<T> p, Workspace<T>& work) {
  expect(p.rows == x.rows() && p.columns == h.components(), "P has the rows of the tile and the components of H");
  x.visit([&]<class Tile>(const Tile& tile) { TileOperations<Tile>::project(tile, h, p, work); });
}

template <Scalar T>
void accumulate(const TileView<T>& x, MatrixView<const T> w, Accumulator<T>& xtw, Workspace<T>& work) {
  expect(w.rows == x.rows() && w.columns == xtw.components(),
         "W has the rows of the tile and the components of the sum");
  x.visit([&]<class Tile>(const Tile& tile) { TileOperations<Tile>::accumulate(tile, w, xtw, work); });
}

template <Scalar T>
void project_weighted(const TileView<T>& x, MatrixView<const T> w, const RightFactor<T>& h,
                      const ElementWeights& weights, MatrixView<T> numerator, MatrixView<T> denominator,
                      Workspace<T>& work) {
  expect(w.rows == x.rows() && w.columns == h.components() && numerator.rows == w.rows,
         "W has the rows of the tile and the components of H");
  x.visit([&]<class Tile>(const Tile& tile) {
    TileOperations<Tile>::project_weighted(tile, w, h, weights, numerator, denominator, work);
  });
}

template <Scalar T>
void accumulate_weighted(const TileView<T>& x, MatrixView<const T> w, const RightFactor<T>& h,
                         const ElementWeights& weights, Accumulator<T>& numerator, Accumulator<T>& denominator,
                         Workspace<T>& work) {
  expect(w.rows == x.rows() && w.columns == numerator.components(),
         "W has the rows of the tile and the components of the sum");
  x.visit([&]<class Tile>(const Tile& tile) {
    TileOperations<Tile>::accumulate_weighted(tile, w, h, weights, numerator, denominator, work);
  });
}

template <Scalar T>
double divergence_sum(const TileView<T>& x, MatrixView<const T> w, const RightFactor<T>& h,
                      const DivergenceTerms& terms, Workspace<T>& work) {
  expect(w.rows == x.rows() && w.columns == h.components(), "W has the rows of the tile and the components of H");
  return x.visit(
      [&]<class Tile>(const Tile& tile) { return TileOperations<Tile>::divergence_sum(tile, w, h, terms, work); });
}

template <Scalar T>
std::optional<double> divergence_by_projection(const TileView<T>& x, MatrixView<const T> w, MatrixView<const T> p,
                                               const double* h_gram, Workspace<T>& work) {
  if (!x.is_plain()) return std::nullopt;
  return x.visit([&]<class Tile>(const Tile& tile) {
    return TileOperations<Tile>::divergence_by_projection(tile, w, p, h_gram, work);
  });
}

template <Scalar T>
void multiply(MatrixView<const T> w, const RightFactor<T>& h, MatrixView<T> y, Workspace<T>& work) {
  T* const strip = work.reserve(strip_columns<T> * row_group);
  for_row_groups(w.rows, [&](Index i, Index rows) {
    for (Index begin = 0; begin < h.columns(); begin += strip_columns<T>) {
      const Index width = strip_width<T>(begin, h.columns());
      multiply_one_strip(MatrixView<const T>(w.middle_rows({i, i + rows})), h, begin, width, strip);
      for (Index r = 0; r < rows; ++r)
        std::copy_n(strip + r * width, std::min(width, h.columns() - begin), y.row(i + r) + begin);
    }
  });
}

template <Scalar T>
void add_gram(MatrixView<const T> f, double* gram, Workspace<T>& work, const T* weights) {
  const Index k = f.columns;
  const Index padded = padded_columns<T>(k);
  T* const rows_padded = work.reserve(2 * row_group * padded + strip_columns<T> * k);
  T* const weighted = weights == nullptr ? rows_padded : rows_padded + row_group * padded;
  T* const strip = rows_padded + 2 * row_group * padded;
  for_row_groups(f.rows, [&](Index i, Index rows) {
    for (Index r = 0; r < rows; ++r) pad_row(f.row(i + r), k, padded, rows_padded + r * padded);
    if (weights != nullptr)
      for (Index e = 0; e < rows * padded; ++e) weighted[e] = weights[i + e / padded] * rows_padded[e];
    for (Index begin = 0; begin < padded; begin += strip_columns<T>) {
      const Index width = strip_width<T>(begin, k);
      kernels::dense<T>().multiply_strip(weighted, 1, padded, k, rows, rows_padded + begin, padded, width, strip, false,
                                         nullptr, 0);
      const Index valid = std::min(width, k - begin);
      for (Index a = 0; a < k; ++a)
        for (Index b = 0; b < valid; ++b) gram[a * k + begin + b] += static_cast<double>(strip[a * width + b]);
    }
  });
}

template <Scalar T>
void add_gram_of_leaves(MatrixView<const T> f, Index leaf, double* gram, Workspace<T>& work) {
  constexpr Index most = 4;
  const Index k = f.columns;
  const Index padded = padded_columns<T>(k);
  const Index leaves = (f.rows + leaf - 1) / leaf;
  expect(leaves <= most, "a node has at most four leaves");
  const Index product = k * strip_columns<T>;
  T* const rows_padded = work.reserve(f.rows * padded + most * product);
  T* const products = rows_padded + f.rows * padded;
  for (Index i = 0; i < f.rows; ++i) pad_row(f.row(i), k, padded, rows_padded + i * padded);
  std::fill_n(products + leaves * product, (most - leaves) * product, T{0});
  for (Index begin = 0; begin < padded; begin += strip_columns<T>) {
    const Index width = strip_width<T>(begin, k);
    for (Index l = 0; l < leaves; ++l) {
      const T* const rows = rows_padded + l * leaf * padded;
      kernels::dense<T>().multiply_strip(rows, 1, padded, k, std::min(leaf, f.rows - l * leaf), rows + begin, padded,
                                         width, products + l * product, false, nullptr, 0);
    }
    const Index valid = std::min(width, k - begin);
    for (Index a = 0; a < k; ++a) {
      const auto of_leaf = [&, first = products + a * width](Index l, Index b) {
        return static_cast<double>(first[l * product + b]);
      };
      for (Index b = 0; b < valid; ++b)
        gram[a * k + begin + b] += (of_leaf(0, b) + of_leaf(1, b)) + (of_leaf(2, b) + of_leaf(3, b));
    }
  }
}

template <Scalar T>
void add_column_sums(MatrixView<const T> f, double* sums, const T* weights) {
  for (Index i = 0; i < f.rows; ++i) {
    const double weight = weights == nullptr ? 1.0 : static_cast<double>(weights[i]);
    for (Index c = 0; c < f.columns; ++c) sums[c] += weight * static_cast<double>(f(i, c));
  }
}

template <Scalar T>
ElementTotals element_totals(std::span<const T> elements, T lowest) {
  return kernels::vectors<T>().totals(elements.data(), static_cast<Index>(elements.size()),
                                      static_cast<double>(lowest));
}

namespace {

template <Index Lanes, Scalar T>
NormAndSum norm_and_sum_in_lanes(MatrixView<const T> f) {
  std::array<double, std::size_t{Lanes}> squares{};
  std::array<double, std::size_t{Lanes}> sums{};
  in_lanes<Lanes>(f.rows * f.columns, [&](Index i, std::size_t lane) {
    const auto value = static_cast<double>(f.data[i]);
    squares[lane] += value * value;
    sums[lane] += value;
  });
  return {std::accumulate(squares.begin(), squares.end(), 0.0), std::accumulate(sums.begin(), sums.end(), 0.0)};
}

template <Index Lanes, Scalar T>
double distance_squared_in_lanes(MatrixView<const T> a, MatrixView<const T> b) {
  std::array<double, std::size_t{Lanes}> squares{};
  in_lanes<Lanes>(a.rows * a.columns, [&](Index i, std::size_t lane) {
    const double difference = static_cast<double>(a.data[i]) - static_cast<double>(b.data[i]);
    squares[lane] += difference * difference;
  });
  return std::accumulate(squares.begin(), squares.end(), 0.0);
}

}  // namespace

template <Scalar T>
NormAndSum norm_and_sum(MatrixView<const T> f) {
  return norm_and_sum_in_lanes<sum_lanes>(f);
}

template <Scalar T>
NormAndSum norm_and_sum_in_order(MatrixView<const T> f) {
  return norm_and_sum_in_lanes<1>(f);
}

template <Scalar T>
double distance_squared(MatrixView<const T> a, MatrixView<const T> b) {
  return distance_squared_in_lanes<sum_lanes>(a, b);
}

template <Scalar T>
double distance_squared_in_order(MatrixView<const T> a, MatrixView<const T> b) {
  return distance_squared_in_lanes<1>(a, b);
}

template <Scalar T>
double sweep_rows(MatrixView<T> f, MatrixView<const T> p, double l1, const T* gram, const Index* order,
                  Workspace<T>& work, double* of_rows) {
  const Index k = f.columns;
  const Index stride = padded_columns<T>(std::min(row_group, f.rows));
  T* const ft = work.reserve((2 * k + 1) * stride);
  T* const pt = ft + k * stride;
  T* const violations = pt + k * stride;
  const T shift = static_cast<T>(l1);
  double violation = 0;
  for_row_groups(f.rows, [&](Index i, Index rows) {
    const Index padded = padded_columns<T>(rows);
    kernels::vectors<T>().transpose(f.row(i), f.stride, rows, k, ft, stride);
    kernels::vectors<T>().transpose(p.row(i), p.stride, rows, k, pt, stride);
    for (Index c = 0; c < k; ++c) {
      for (Index r = 0; r < rows; ++r) pt[c * stride + r] -= shift;
      std::fill(ft + c * stride + rows, ft + c * stride + padded, T{0});
      std::fill(pt + c * stride + rows, pt + c * stride + padded, T{0});
    }
    kernels::sweeps<T>().sweep_coordinates(ft, pt, padded, stride, gram, k, order, violations);
    violation += sum_in_order(violations, rows, of_rows == nullptr ? nullptr : of_rows + i);
    kernels::vectors<T>().transpose(ft, stride, k, rows, f.row(i), f.stride);
  });
  return violation;
}

template <Scalar T>
void multiply_rows(MatrixView<T> f, MatrixView<const T> numerator, MatrixView<const T> denominator, double l1,
                   double l2, double gamma, double zero_below) {
  for (Index i = 0; i < f.rows; ++i)
    kernels::vectors<T>().multiply_by_ratio(f.row(i), numerator.row(i), denominator.row(i), f.columns, l1, l2, gamma,
                                            zero_below);
}

template <Scalar T>
void accumulate_mini_batch(MatrixView<T> h, MatrixView<const T> numerator, MatrixView<const T> denominator,
                           MatrixView<T> a, MatrixView<T> b, const MiniBatchUpdate& update) {
  kernels::vectors<T>().mini_batch(h.data, numerator.data, denominator.data, a.data, b.data, h.rows * h.columns,
                                   update);
}

template void project(const TileView<float>&, const RightFactor<float>&, MatrixView<float>, Workspace<float>&);
template void accumulate(const TileView<float>&, MatrixView<const float>, Accumulator<float>&, Workspace<float>&);
template void project_weighted(const TileView<float>&, MatrixView<const float>, const RightFactor<float>&,
                               const ElementWeights&, MatrixView<float>, MatrixView<float>, Workspace<float>&);
template void accumulate_weighted(const TileView<float>&, MatrixView<const float>, const RightFactor<float>&,
                                  const ElementWeights&, Accumulator<float>&, Accumulator<float>&, Workspace<float>&);
template double divergence_sum(const TileView<float>&, MatrixView<const float>, const RightFactor<float>&,
                               const DivergenceTerms&, Workspace<float>&);
template std::optional<double> divergence_by_projection(const TileView<float>&, MatrixView<const float>,
                                                        MatrixView<const float>, const double*, Workspace<float>&);
template void multiply(MatrixView<const float>, const RightFactor<float>&, MatrixView<float>, Workspace<float>&);
template void add_gram(MatrixView<const float>, double*, Workspace<float>&, const float*);
template void add_gram_of_leaves(MatrixView<const float>, Index, double*, Workspace<float>&);
template void add_column_sums(MatrixView<const float>, double*, const float*);
template ElementTotals element_totals(std::span<const float>, float);
template NormAndSum norm_and_sum(MatrixView<const float>);
template NormAndSum norm_and_sum_in_order(MatrixView<const float>);
template double distance_squared(MatrixView<const float>, MatrixView<const float>);
template double distance_squared_in_order(MatrixView<const float>, MatrixView<const float>);
template double sweep_rows(MatrixView<float>, MatrixView<const float>, double, const float*, const Index*,
                           Workspace<float>&, double*);
template void multiply_rows(MatrixView<float>, MatrixView<const float>, MatrixView<const float>, double, double, double,
                            double);
template void accumulate_mini_batch(MatrixView<float>, MatrixView<const float>, MatrixView<const float>,
                                    MatrixView<float>, MatrixView<float>, const MiniBatchUpdate&);
template void project(const TileView<double>&, const RightFactor<double>&, MatrixView<double>, Workspace<double>&);
template void accumulate(const TileView<double>&, MatrixView<const double>, Accumulator<double>&, Workspace<double>&);
template void project_weighted(const TileView<double>&, MatrixView<const double>, const RightFactor<double>&,
                               const ElementWeights&, MatrixView<double>, MatrixView<double>, Workspace<double>&);
template void accumulate_weighted(const TileView<double>&, MatrixView<const double>, const RightFactor<double>&,
                                  const ElementWeights&, Accumulator<double>&, Accumulator<double>&,
                                  Workspace<double>&);
template double divergence_sum(const TileView<double>&, MatrixView<const double>, const RightFactor<double>&,
                               const DivergenceTerms&, Workspace<double>&);
template std::optional<double> divergence_by_projection(const TileView<double>&, MatrixView<const double>,
                                                        MatrixView<const double>, const double*, Workspace<double>&);
template void multiply(MatrixView<const double>, const RightFactor<double>&, MatrixView<double>, Workspace<double>&);
template void add_gram(MatrixView<const double>, double*, Workspace<double>&, const double*);
template void add_gram_of_leaves(MatrixView<const double>, Index, double*, Workspace<double>&);
template void add_column_sums(MatrixView<const double>, double*, const double*);
template ElementTotals element_totals(std::span<const double>, double);
template NormAndSum norm_and_sum(MatrixView<const double>);
template NormAndSum norm_and_sum_in_order(MatrixView<const double>);
template double distance_squared(MatrixView<const double>, MatrixView<const double>);
template double distance_squared_in_order(MatrixView<const double>, MatrixView<const double>);
template double sweep_rows(MatrixView<double>, MatrixView<const double>, double, const double*, const Index*,
                           Workspace<double>&, double*);
template void multiply_rows(MatrixView<double>, MatrixView<const double>, MatrixView<const double>, double, double,
                            double, double);
template void accumulate_mini_batch(MatrixView<double>, MatrixView<const double>, MatrixView<const double>,
                                    MatrixView<double>, MatrixView<double>, const MiniBatchUpdate&);

}  // namespace scanmf
