#pragma once

#include <cstdint>

#include "scanmf/linalg/operations.hpp"

// The innermost loops, on plain pointers. Each is compiled for several instruction sets and chosen at run time; all work on every vector length up to
// 64 bytes with the same data layout (see tile.hpp). Strips: column j0 of strip s begins at element j0·(rows of the array), element (r, j) of the
// strip at r·width + j − j0, where width = min(strip_columns, padded − j0).

namespace scanmf::kernels {

/// p[i·p_stride + c] += Σ_j x(i, j)·h(c, j), c < components, for the strips of columns [0, columns) of a tile x (rows) and of h (h_rows >=
/// components). `columns` is a multiple of column_grain; padding is zero.
void project_strips(const float* x, Index rows, const float* h, Index h_rows, Index components, Index columns, float* p, Index p_stride);
void project_strips(const double* x, Index rows, const double* h, Index h_rows, Index components, Index columns, double* p, Index p_stride);

/// Strips of X and H that one block of the project loop takes: the H block of a few components stays in the first-level cache, the next block of X
/// comes into the second-level cache meanwhile.
template <Scalar T>
constexpr Index project_block_columns = 4096 / static_cast<Index>(sizeof(T));

/// One strip of `width` columns: out[r·width + j] = (add ? out : 0) + Σ_q a[r·a_row + q·a_term]·b[q·b_stride + j], r < rows, q < terms, j < width.
/// The sum over q is formed from zero before it is added. XᵀW: r = component, q = row; W·H: r = row, q = component.
/// next: next_count elements that are needed soon and brought into the cache meanwhile, or null.
void multiply_strip(const float* a, Index a_row, Index a_term, Index rows, Index terms, const float* b, Index b_stride, Index width, float* out,
                    bool add, const float* next = nullptr, Index next_count = 0);
void multiply_strip(const double* a, Index a_row, Index a_term, Index rows, Index terms, const double* b, Index b_stride, Index width, double* out,
                    bool add, const double* next = nullptr, Index next_count = 0);

/// What is made of X and Y = W·H for a β-divergence, element by element.
struct BetaWeights {
  double beta;
  bool lift_numerator;    // β < 2: Ŷ = max(Y, ε)
  bool lift_denominator;  // β < 1: Ỹ = max(Y, ε)
};
constexpr BetaWeights weights_of(double beta) { return {beta, beta < 2, beta < 1}; }

/// numerator[i] = x[i]·Ŷ^(β−2), denominator[i] = Ỹ^(β−1) (not when null). numerator may be y.
void beta_weights(const float* x, const float* y, Index count, BetaWeights weights, float* numerator, float* denominator);
void beta_weights(const double* x, const double* y, Index count, BetaWeights weights, double* numerator, double* denominator);
/// values[i] = Ỹ^(β−1), in place.
void beta_denominator(float* values, Index count, BetaWeights weights);
void beta_denominator(double* values, Index count, BetaWeights weights);

/// Σ over elements of the divergence's terms for x, y (see divergence_sum in operations.hpp); β = 2: ½(x − y)².
double beta_divergence_terms(const float* x, const float* y, Index count, double beta);
double beta_divergence_terms(const double* x, const double* y, Index count, double beta);
/// element_totals of operations.hpp.
ElementTotals totals(const float* values, Index count, double lowest);
ElementTotals totals(const double* values, Index count, double lowest);

/// Σ y^β, and the terms at stored elements alone: β = 2 gives ½((x − y)² − y²), else the sums over S without Σ_all.
double sum_of_powers(const float* y, Index count, double beta);
double sum_of_powers(const double* y, Index count, double beta);
double beta_stored_terms(const float* x, const float* y, Index count, double beta);
double beta_stored_terms(const double* x, const double* y, Index count, double beta);

/// f[i] ·= (numerator[i] / Dn)^γ with Dn = denominator[i] + l1 + l2·f[i], exact 0 replaced by ε; then f below `zero_below` becomes 0.
void multiply_by_ratio(float* f, const float* numerator, const float* denominator, Index count, double l1, double l2, double gamma,
                       double zero_below);
void multiply_by_ratio(double* f, const double* numerator, const double* denominator, Index count, double l1, double l2, double gamma,
                       double zero_below);
/// accumulate_mini_batch of operations.hpp, element by element.
void mini_batch(float* h, const float* numerator, const float* denominator, float* a, float* b, Index count, const MiniBatchUpdate& update);
void mini_batch(double* h, const double* numerator, const double* denominator, double* a, double* b, Index count, const MiniBatchUpdate& update);

/// to[c·to_stride + r] = from[r·from_stride + c], r < rows, c < columns.
void transpose(const float* from, Index from_stride, Index rows, Index columns, float* to, Index to_stride);
void transpose(const double* from, Index from_stride, Index rows, Index columns, double* to, Index to_stride);

/// Rows of a factor with their linear terms, both transposed (component c of row i at c·stride + i), are swept once: for each component t in `order`,
///   g = Σ_r G[t, r]·f_r − p_t;  violation += |g| where f_t ≠ 0, |min(g, 0)| where it is 0;  f_t = max(f_t − g/G[t, t], 0) unless G[t, t] = 0.
/// rows and stride are multiples of column_grain; padding rows must be all zero with p = 0. Returns the violation of the rows.
double sweep_coordinates(float* f, const float* p, Index rows, Index stride, const float* gram, Index components, const Index* order);
double sweep_coordinates(double* f, const double* p, Index rows, Index stride, const double* gram, Index components, const Index* order);

/// Sparse rows of `count` non-zeros. h, acc: rows of `stride` = padded_components elements. known >= count: columns that may be looked at, those of
/// the rows that follow: what they need is fetched ahead. p[c] = Σ value·h(column, c), c < stride, for one row; p has `stride` elements.
void project_row(const std::int32_t* column, const float* value, Index count, Index known, const float* h, Index stride, float* p);
void project_row(const std::int32_t* column, const double* value, Index count, Index known, const double* h, Index stride, double* p);
/// acc(column, c) += value·w[c]; w has `stride` elements.
void accumulate_row(const std::int32_t* column, const float* value, Index count, Index known, const float* w, Index stride, float* acc);
void accumulate_row(const std::int32_t* column, const double* value, Index count, Index known, const double* w, Index stride, double* acc);
/// y[t] = Σ_c w[c]·h(column[t], c).
void product_at(const std::int32_t* column, Index count, Index known, const float* w, const float* h, Index stride, float* y);
void product_at(const std::int32_t* column, Index count, Index known, const double* w, const double* h, Index stride, double* y);

}  // namespace scanmf::kernels
