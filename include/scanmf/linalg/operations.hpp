#pragma once

#include <optional>
#include <span>
#include <vector>

#include "scanmf/linalg/tile.hpp"

namespace scanmf {

/// H prepared for the kernels of one storage kind, from Ht (n × k). Replicated data, local work.
///   dense: strips of columns as in a DenseTile, within a strip component after component;  CSR: rows of Ht, padded to whole cache lines.
/// with_strips: a CSR factor keeps the strips too; the weights of a general β are made from all of W·H.
template <Scalar T>
class RightFactor {
 public:
  RightFactor() = default;
  RightFactor(StorageKind kind, Index columns, Index components, bool with_strips = false);
  /// Copies Ht; threads share the work.
  void assign(MatrixView<const T> ht);

  Index columns() const { return columns_; }
  Index components() const { return components_; }
  /// The strip that begins at column `first`; its rows are the components.
  const T* strip(Index first) const { return strips_.data() + first * strip_rows(); }
  /// Rows from one strip to the next: odd, or strips whose distance is a multiple of 4 KiB would share a few sets of the first-level cache.
  Index strip_rows() const { return components_ | 1; }
  const T* rows() const { return rows_.data(); }

 private:
  Index columns_ = 0;
  Index components_ = 0;
  Buffer<T> strips_;
  Buffer<T> rows_;
};

/// One thread's sum of XᵀW (n × k), in the layout of a RightFactor of the same kind.
template <Scalar T>
class Accumulator {
 public:
  Accumulator() = default;
  Accumulator(StorageKind kind, Index columns, Index components);
  void set_zero();
  StorageKind kind() const { return kind_; }
  Index columns() const { return columns_; }
  Index components() const { return components_; }
  T* data() { return elements_.data(); }
  const T* data() const { return elements_.data(); }

 private:
  StorageKind kind_ = StorageKind::dense;
  Index columns_ = 0;
  Index components_ = 0;
  Buffer<T> elements_;
};

/// total (n × k, row-major) = sum of the threads' accumulators in their order, which is formed in the first of them. Threads share the work.
template <Scalar T>
void sum_accumulators(std::vector<Accumulator<T>>& parts, MatrixView<T> total);

/// Elements between the rows of a CSR RightFactor or Accumulator: components rounded up to whole cache lines.
template <Scalar T>
constexpr Index padded_components(Index components) {
  return padded_columns<T>(components);
}

/// One thread's scratch memory for the operations below.
template <Scalar T>
class Workspace {
 public:
  /// At least `size` elements; contents are lost when it grows.
  T* reserve(Index size) {
    if (buffer_.size() < size) buffer_ = Buffer<T>(size);
    return buffer_.data();
  }

 private:
  Buffer<T> buffer_;
};

// The three operations on a tile X (rows × n) that every solver is made of; W rows × k.

/// P (rows × k) = X · Hᵀ.
template <Scalar T>
void project(const DenseTile<T>& x, const RightFactor<T>& h, MatrixView<T> p, Workspace<T>& work);
template <Scalar T>
void project(const CsrTile<T>& x, const RightFactor<T>& h, MatrixView<T> p, Workspace<T>& work);

/// XᵀW (n × k) += Xᵀ · W. The tile's product is formed from zero before it is added.
template <Scalar T>
void accumulate(const DenseTile<T>& x, MatrixView<const T> w, Accumulator<T>& xtw, Workspace<T>& work);
template <Scalar T>
void accumulate(const CsrTile<T>& x, MatrixView<const T> w, Accumulator<T>& xtw, Workspace<T>& work);

// The β-divergence's weights, tile by tile, with Y = W·H and the guards of scikit-learn >= 1.3: Ŷ = max(Y, ε) for β < 2, Ỹ = max(Y, ε) for β < 1.
//   numerator weights  Q = X ∘ Ŷ^(β−2),  denominator weights  R = Ỹ^(β−1)  (not used for β = 1 and 2)

/// N (rows × k) = Q · Hᵀ and, unless β is 1, D (rows × k) = R · Hᵀ. β ≠ 2. For β = 1 `denominator` is not touched.
template <Scalar T>
void project_weighted(const DenseTile<T>& x, MatrixView<const T> w, const RightFactor<T>& h, double beta, MatrixView<T> numerator,
                      MatrixView<T> denominator, Workspace<T>& work);
template <Scalar T>
void project_weighted(const CsrTile<T>& x, MatrixView<const T> w, const RightFactor<T>& h, double beta, MatrixView<T> numerator,
                      MatrixView<T> denominator, Workspace<T>& work);

/// numerator (n × k) += Qᵀ · W and, unless β is 1, denominator (n × k) += Rᵀ · W. β ≠ 2. The denominator's accumulator is dense for sparse X too.
template <Scalar T>
void accumulate_weighted(const DenseTile<T>& x, MatrixView<const T> w, const RightFactor<T>& h, double beta, Accumulator<T>& numerator,
                         Accumulator<T>& denominator, Workspace<T>& work);
template <Scalar T>
void accumulate_weighted(const CsrTile<T>& x, MatrixView<const T> w, const RightFactor<T>& h, double beta, Accumulator<T>& numerator,
                         Accumulator<T>& denominator, Workspace<T>& work);

/// The part of the β-divergence D(X, W·H) that is summed element by element, in double:
///   β = 2  dense ½Σ(X−Y)²,  CSR ½Σ_stored((X−Y)² − Y²)
///   β = 1  Σ_S X ln(X/Ŷ) − X      β = 0  Σ_S X/Ŷ − ln(X/Ŷ)
///   else   Σ_S (X^β − β·X·Ŷ^(β−1)) + (β−1)·Σ_all Y^β          S: elements with X > ε
/// closed by divergence_total().
template <Scalar T>
double divergence_sum(const DenseTile<T>& x, MatrixView<const T> w, const RightFactor<T>& h, double beta, Workspace<T>& work);
template <Scalar T>
double divergence_sum(const CsrTile<T>& x, MatrixView<const T> w, const RightFactor<T>& h, double beta, Workspace<T>& work);

/// The same for β = 2 without a product W·H, from P = X·Hᵀ (rows × k) and h_gram = HHᵀ (k × k): ½‖X‖² − ⟨P, W⟩ and, for a dense tile, + ½⟨WᵀW, HHᵀ⟩.
/// nullopt for a dense tile whose distance is a small part of ‖X‖²: its digits cancel.
template <Scalar T>
std::optional<double> divergence_by_projection(const DenseTile<T>& x, MatrixView<const T> w, MatrixView<const T> p, const double* h_gram,
                                               Workspace<T>& work);
template <Scalar T>
std::optional<double> divergence_by_projection(const CsrTile<T>& x, MatrixView<const T> w, MatrixView<const T> p, const double* h_gram,
                                               Workspace<T>& work);

/// D from the sum of divergence_sum over all tiles. gram_dot = ⟨WᵀW, HHᵀ⟩ (CSR, β = 2), sums_dot = (column sums of W)·(row sums of H) (β = 1).
double divergence_total(StorageKind kind, double beta, double element_sum, double gram_dot, double sums_dot, const Shape& shape);

/// Y (rows × n) = W · H. h holds strips.
template <Scalar T>
void multiply(MatrixView<const T> w, const RightFactor<T>& h, MatrixView<T> y, Workspace<T>& work);

/// gram (k × k, double) += FᵀF for F rows × k: groups of rows are multiplied in T, from zero, and added in double.
template <Scalar T>
void add_gram(MatrixView<const T> f, double* gram, Workspace<T>& work);
/// sums (k, double) += column sums of F.
template <Scalar T>
void add_column_sums(MatrixView<const T> f, double* sums);

/// What one look at some elements of X finds out: their sum in double, how many are positive, and whether all are finite and none is below `lowest`.
struct ElementTotals {
  double sum = 0;
  Index positive = 0;
  bool sound = true;
};
template <Scalar T>
ElementTotals element_totals(std::span<const T> elements, T lowest);

/// Sum of squares and sum of the elements of F (rows × k, in one piece), in double.
struct NormAndSum {
  double norm_squared = 0;
  double sum = 0;
};
template <Scalar T>
NormAndSum norm_and_sum(MatrixView<const T> f);
/// ‖A − B‖², in double. Both in one piece, of the same shape.
template <Scalar T>
double distance_squared(MatrixView<const T> a, MatrixView<const T> b);

/// One coordinate-descent sweep over the rows of F (rows × k) for the quadratic with Gram matrix `gram` (k × k, l2 on its diagonal) and linear term p
/// − l1: components in `order`, each with the current row (HALS; Cichocki & Phan 2009). Returns the sum of |projected gradient|, the violation.
template <Scalar T>
double sweep_rows(MatrixView<T> f, MatrixView<const T> p, double l1, const T* gram, const Index* order, Workspace<T>& work);

/// F ∘ (N / D)^γ with D += l1 + l2·F, 0 replaced by ε; entries below zero_below become 0. All rows × k; D with stride 0 is one row for all.
template <Scalar T>
void multiply_rows(MatrixView<T> f, MatrixView<const T> numerator, MatrixView<const T> denominator, double l1, double l2, double gamma,
                   double zero_below);

/// Numbers of a mini-batch update of H.
struct MiniBatchUpdate {
  double rho;
  double l1;
  double l2;
  double gamma;
  double zero_below;
};

/// A ← ρA + N∘H^(1/γ), B ← ρB + D with D += l1 + l2·H, 0 replaced by ε; H ← (A/B)^γ, entries below zero_below become 0. All rows × k,
/// each in one piece (stride = k).
template <Scalar T>
void accumulate_mini_batch(MatrixView<T> h, MatrixView<const T> numerator, MatrixView<const T> denominator, MatrixView<T> a, MatrixView<T> b,
                           const MiniBatchUpdate& update);

/// Share of non-zeros from which a sparse matrix is faster held dense, for the loss β; above 1: never. The ratio of the measured costs of an element
/// in the dense kernels and of a non-zero in the sparse ones, which hardly depends on the number of components.
template <Scalar T>
constexpr double dense_from(double beta) {
  const double least = sizeof(T) == sizeof(float) ? 0.125 : 0.16;
  if (beta == 2) return least;
  return beta == 1 ? 1.6 * least : 2;
}

/// The instruction set that the kernels run with on this machine: "AVX3", "AVX2", "NEON", …
const char* instruction_set();

}  // namespace scanmf
