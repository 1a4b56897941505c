#pragma once

#include <cstdint>

#include "scanmf/linalg/operations.hpp"

// The innermost loops, on plain pointers. Each is compiled for several instruction sets and chosen at run time; all
// work on every vector length up to 64 bytes with the same data layout (see tile.hpp). Strips: column j0 of strip s
// begins at element j0·(rows of the array), element (r, j) of the strip at r·width + j − j0, where width =
// min(strip_columns, padded − j0).
//
// A kernel is a template over the element type; the tables below list them, a table a file: dense<T>(), vectors<T>(),
// sweeps<T>(), sparse<T>(), subsets<T>() and grams<T>() are those of the instruction set of this machine.

namespace scanmf::kernels {

/// Strips of X and H that one block of the project loop takes: the H block of a few components stays in the first-level
/// cache, the next block of X comes into the second-level cache meanwhile.
template <Scalar T>
constexpr Index project_block_columns = 4096 / static_cast<Index>(sizeof(T));

template <class T>
struct DenseKernels {
  /// p[i·p_stride + c] += Σ_j x(i, j)·h(c, j), c < components, for the strips of columns [0, columns) of a tile x
  /// (rows) and of h (h_rows >= components). `columns` is a multiple of column_grain; padding is zero.
  void (*project_strips)(const T* x, Index rows, const T* h, Index h_rows, Index components, Index columns, T* p,
                         Index p_stride);

  /// One strip of `width` columns: out[r·width + j] = (add ? out : 0) + Σ_q a[r·a_row + q·a_term]·b[q·b_stride + j], r
  /// < rows, q < terms, j < width. The sum over q is formed from zero before it is added. XᵀW: r = component, q = row;
  /// W·H: r = row, q = component. next: next_count elements that are needed soon and brought into the cache meanwhile,
  /// or null.
  void (*multiply_strip)(const T* a, Index a_row, Index a_term, Index rows, Index terms, const T* b, Index b_stride,
                         Index width, T* out, bool add, const T* next, Index next_count);
};

template <class T>
struct VectorKernels {
  /// numerator[i] = x[i]·Ŷ^(β−2), denominator[i] = Ỹ^(β−1) (not when null), both 0 where x is not observed; a
  /// denominator that corrects is 0 where x is observed, and −Ỹ^(β−1) where it is not. numerator may be y.
  void (*weigh)(Observed observed, const T* x, const T* y, Index count, const ElementWeights& weights, T* numerator,
                T* denominator);
  /// values[i] = Ỹ^(β−1), in place.
  void (*weigh_denominator)(T* values, Index count, const ElementWeights& weights);

  /// Σ over elements of the divergence's terms for x, y (see divergence_sum in operations.hpp).
  double (*divergence_terms)(const T* x, const T* y, Index count, const DivergenceTerms& terms);
  /// The same at stored elements alone: half_square gives ½((x − y)² − y²), powers the sum over S without Σ_all.
  double (*stored_terms)(const T* x, const T* y, Index count, const DivergenceTerms& terms);
  double (*sum_of_squares)(const T* y, Index count);
  /// Σ y^exponent.
  double (*sum_of_powers)(const T* y, Index count, double exponent);
  /// element_totals of operations.hpp.
  ElementTotals (*totals)(const T* values, Index count, double lowest);

  /// f[i] ·= (numerator[i] / Dn)^γ with Dn = denominator[i] + l1 + l2·f[i], exact 0 replaced by ε, a quotient beyond
  /// the numbers of T by the largest one: of denormal f and Dn, which may yet recover; then f below `zero_below`
  /// becomes 0.
  void (*multiply_by_ratio)(T* f, const T* numerator, const T* denominator, Index count, double l1, double l2,
                            double gamma, double zero_below);
  /// accumulate_mini_batch of operations.hpp, element by element.
  void (*mini_batch)(T* h, const T* numerator, const T* denominator, T* a, T* b, Index count,
                     const MiniBatchUpdate& update);

  /// sums[i] += more[i].
  void (*add)(T* sums, const T* more, Index count);
  /// to[c·to_stride + r] = from[r·from_stride + c], r < rows, c < columns.
  void (*transpose)(const T* from, Index from_stride, Index rows, Index columns, T* to, Index to_stride);
};

template <class T>
struct SweepKernels {
  /// Rows of a factor with their linear terms, both transposed (component c of row i at c·stride + i), are swept once:
  /// for each component t in `order`,   g = Σ_r G[t, r]·f_r − p_t;  violation += |g| where f_t ≠ 0, |min(g, 0)| where
  /// it is 0;  f_t = max(f_t − g/G[t, t], 0) unless G[t, t] = 0. rows and stride are multiples of column_grain; padding
  /// rows must be all zero with p = 0. violations: one a row. Nothing of a row depends on the rows beside it.
  void (*sweep_coordinates)(T* f, const T* p, Index rows, Index stride, const T* gram, Index components,
                            const Index* order, T* violations);
  /// One row f (k) with a Gram matrix of its own, rows of `stride` = padded_components elements; padding is zero.
  /// l1 is added to gradients. gradients: room for `stride` numbers. Returns the violation.
  double (*sweep_row)(T* f, const T* p, T l1, const T* gram, Index stride, Index components, const Index* order,
                      T* gradients);
  /// sweep_coordinates; changes[i] = ‖f_new − f_old‖² of row i.
  void (*sweep_and_measure)(T* f, const T* p, Index rows, Index stride, const T* gram, Index components,
                            const Index* order, T* violations, T* changes);
};

/// What is observed of X.
template <class T>
struct ObservedKernels {
  /// to[i] = x[i], or 0 where that is NaN.
  void (*copy)(const T* x, Index count, T* to);
  /// A strip x, rows × width: bit j of bits[r] says whether x[r·width + j] is observed.
  void (*bits)(Observed observed, const T* x, Index rows, Index width, std::uint64_t* bits);
  /// A row of a tile of so many rows in strips: the columns that are not observed, ascending. Returns how many; `list`
  /// has room for 16 more.
  Index (*list_missing)(Observed observed, const T* strips, Index rows, Index row, Index columns, std::int32_t* list);
};

/// Sparse rows of `count` non-zeros. h, acc: rows of `stride` = padded_components elements. known >= count: columns
/// that may be looked at, those of the rows that follow: what they need is fetched ahead.
template <class T>
struct SparseKernels {
  /// p[c] = Σ value·h(column, c), c < stride, for one row; p has `stride` elements.
  void (*project_row)(const std::int32_t* column, const T* value, Index count, Index known, const T* h, Index stride,
                      T* p);
  /// The same with two values of each non-zero: r[c] = Σ other·h(column, c); null other: each is 1.
  void (*project_row_twice)(const std::int32_t* column, const T* value, const T* other, Index count, Index known,
                            const T* h, Index stride, T* p, T* r);
  /// acc(column, c) += value·w[c]; w has `stride` elements.
  void (*accumulate_row)(const std::int32_t* column, const T* value, Index count, Index known, const T* w, Index stride,
                         T* acc);
  /// The same with two values of each non-zero: other_acc(column, c) += other·w[c].
  void (*accumulate_row_twice)(const std::int32_t* column, const T* value, const T* other, Index count, Index known,
                               const T* w, Index stride, T* acc, T* other_acc);
  /// acc(j, c) += Σ value·w(row, c) and other_acc(j, c) += Σ other·w(row, c) over the non-zeros of each column j, which
  /// end at end[j] and begin where those of the column before end; null other: each is 1. Rows of all three are padded
  /// to `stride`.
  void (*accumulate_columns)(const std::int32_t* end, Index columns, const std::int32_t* row, const T* value,
                             const T* other, const T* w, Index stride, T* acc, T* other_acc);
  /// y[t] = Σ_c w[c]·h(column[t], c).
  void (*product_at)(const std::int32_t* column, Index count, Index known, const T* w, const T* h, Index stride, T* y);
};

/// Sums of the rows of a factor at which elements of X are observed: groups of `members` rows, the sums of all of whose
/// subsets are one vector. Sums of groups follow each other, in each components × vector.
template <class T>
struct SubsetKernels {
  Index members = 0;  // of a group; 0: this instruction set has no such kernels
  Index lanes = 0;    // of a vector: 2^members

  /// sums(group, c)[s] = Σ over the members b of subset s of values[(group·members + b)·term_stride +
  /// c·component_stride].
  void (*sums_of_subsets)(const T* values, Index term_stride, Index component_stride, Index terms, Index components,
                          T* sums) = nullptr;
  /// x: one strip, rows × width. out[c·out_stride + i] += Σ over the observed columns j of row i of value(j, c); rows
  /// are padded to whole vectors, with 0. sums: those of groups of the strip's columns.
  void (*add_to_rows)(Observed observed, const T* x, Index rows, Index width, const T* sums, Index components, T* out,
                      Index out_stride) = nullptr;
  /// out[c·width + j] += Σ over the observed rows i of column j of value(i, c). sums: those of groups of rows.
  void (*add_to_columns)(Observed observed, const T* x, Index rows, Index width, const T* sums, Index components,
                         T* out) = nullptr;

  Index groups(Index terms) const { return (terms + members - 1) / members; }
};

/// Rows of a factor, those that a list names, as often as it does: row i at a + i·stride and, on the other side of
/// products, b + i·stride. Both are padded to whole vectors, with anything.
template <class T>
struct ListedRows {
  const T* a = nullptr;
  const T* b = nullptr;
  Index stride = 0;
  const std::int32_t* list = nullptr;
  Index count = 0;
  Index known = 0;  // numbers that stand in the list: rows that come after these are fetched ahead
};

/// Sums Σ a_i·b_iᵀ over listed rows, in the order of the list, in GramLayout. An element of `sums` has the bits of one
/// chain of fused operations.
template <class T>
struct GramKernels {
  void (*sum_of_listed)(const ListedRows<T>& rows, Index components, T* sums);
  /// full − Σ, one row after the other. sums may be full.
  void (*without_listed)(const ListedRows<T>& rows, Index components, const T* full, T* sums);
};

template <Scalar T>
const DenseKernels<T>& dense();
template <Scalar T>
const VectorKernels<T>& vectors();
template <Scalar T>
const SweepKernels<T>& sweeps();
template <Scalar T>
const SparseKernels<T>& sparse();
template <Scalar T>
const ObservedKernels<T>& observed();
template <Scalar T>
const SubsetKernels<T>& subsets();
template <Scalar T>
const GramKernels<T>& grams();

}  // namespace scanmf::kernels
