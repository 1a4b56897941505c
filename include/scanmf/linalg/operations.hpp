#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "scanmf/linalg/tile.hpp"

namespace scanmf {

/// H prepared for the kernels of one storage kind, from Ht (n × k). Replicated data, local work.
///   dense: strips of columns as in a DenseTile, within a strip component after component;  CSR: rows of Ht, padded to
///   whole cache lines.
/// both: either kind keeps both; the weights of a general β are made from all of W·H, Gram matrices of what is observed
/// from rows of Ht. subsets: with strips, sums of a few columns at a time for all subsets of them, where the
/// instruction set looks them up faster than it multiplies (kernels.hpp).
template <Scalar T>
class RightFactor {
 public:
  RightFactor() = default;
  RightFactor(StorageKind kind, Index columns, Index components, bool both = false, bool subsets = false);
  /// Copies Ht; threads share the work.
  void assign(MatrixView<const T> ht);
  /// HHᵀ (k × k), for products W·HHᵀ.
  void set_gram(std::span<const double> gram);

  Index columns() const { return columns_; }
  Index components() const { return components_; }
  /// The strip that begins at column `first`; its rows are the components.
  const T* strip(Index first) const { return strips_.data() + first * strip_rows(); }
  /// Rows from one strip to the next: odd, or strips whose distance is a multiple of 4 KiB would share a few sets of
  /// the first-level cache.
  Index strip_rows() const { return components_ | 1; }
  const T* rows() const { return rows_.data(); }
  bool has_subset_sums() const { return subset_sums_.size() > 0; }
  /// HHᵀ as a right factor, or null where it was not set.
  const RightFactor* gram() const { return gram_.get(); }
  /// Those of the strip that begins at column `first`.
  const T* subset_sums(Index first) const { return subset_sums_.data() + first / strip_columns<T> * subset_stride_; }

 private:
  Index columns_ = 0;
  Index components_ = 0;
  Index subset_stride_ = 0;  // sums of a full strip
  Buffer<T> strips_;
  Buffer<T> rows_;
  Buffer<T> subset_sums_;
  std::unique_ptr<RightFactor> gram_;
};

/// A Gram matrix (k × k) as the right factor of a product with it.
template <Scalar T>
RightFactor<T> gram_factor(std::span<const double> gram, Index k);

/// Bytes of a RightFactor's sums of subsets.
double subset_sum_bytes(Index columns, Index components, DataType type);

/// A sum XᵀW (n × k) over some tiles, in the layout of a RightFactor of the same kind.
template <Scalar T>
class Accumulator {
 public:
  Accumulator() = default;
  Accumulator(StorageKind kind, Index columns, Index components);
  void set_zero();
  /// Adds another one of the same shape, which is zero afterwards.
  void take_from(Accumulator& other);
  /// The sum (n × k), row-major. Threads share the work.
  void copy_to(MatrixView<T> total) const;
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
  /// The same of indices, beside them.
  std::int32_t* reserve_indices(Index size) {
    if (indices_.size() < size) indices_ = Buffer<std::int32_t>(size);
    return indices_.data();
  }

 private:
  Buffer<T> buffer_;
  Buffer<std::int32_t> indices_;
};

/// The weights that a loss gives to the elements of X and of Y = W·H, with the guards of scikit-learn >= 1.3: Ŷ =
/// max(Y, ε), Ỹ likewise.
///   numerator weights  Q = X ∘ Ŷ^(β−2),  denominator weights  R = Ỹ^(β−1)
struct ElementWeights {
  double exponent = 2;            // β
  bool divide = false;            // Q is X / Ŷ (β = 1)
  bool with_denominator = false;  // R is not constant
  bool lift_numerator = false;    // Ŷ = max(Y, ε), else Y
  bool lift_denominator = false;  // Ỹ = max(Y, ε), else Y
  // What R gives to elements that are not observed is to be taken from a sum over all elements, known otherwise.
  bool corrects = false;

  /// Whether R is 1 where X is observed and else 0, so that its products are sums of rows of the factor.
  bool counts_observed() const { return with_denominator && exponent == 1 && !corrects; }
};

/// The terms of a divergence that are summed element by element, in double:
///   half_square       dense ½Σ(X−Y)², CSR ½Σ_stored((X−Y)² − Y²)
///   kullback_leibler  Σ_S X ln(X/Ŷ) − X
///   itakura_saito     Σ_S X/Ŷ − ln(X/Ŷ)
///   powers            Σ_S (X^β − β·X·Ŷ^(β−1)) + (β−1)·Σ_all Y^β          S: elements with X > ε
struct DivergenceTerms {
  enum class Form { half_square, kullback_leibler, itakura_saito, powers };
  Form form = Form::half_square;
  double exponent = 2;  // β
  // Of tiles that are not plain: every observed element counts in full, Y of Kullback-Leibler's and 1 of
  // Itakura-Saito's included; else these follow from sums over all elements.
  bool complete = false;
};

// The operations on a tile X (rows × n) that every solver is made of; W rows × k. A storage kind implements them as
// TileOperations (src/linalg/tile_operations.hpp). Elements that are not observed have no part in them; sums over rows
// take each with its weight, sums over columns do not.

/// P (rows × k) = X · Hᵀ.
template <Scalar T>
void project(const TileView<T>& x, const RightFactor<T>& h, MatrixView<T> p, Workspace<T>& work);

/// XᵀW (n × k) += Xᵀ · W. The tile's product is formed from zero before it is added.
template <Scalar T>
void accumulate(const TileView<T>& x, MatrixView<const T> w, Accumulator<T>& xtw, Workspace<T>& work);

/// N (rows × k) = Q · Hᵀ and, with a denominator, D (rows × k) = R · Hᵀ; else D is not touched. A denominator that
/// corrects (ElementWeights::corrects) is −R · Hᵀ of what is not observed alone.
template <Scalar T>
void project_weighted(const TileView<T>& x, MatrixView<const T> w, const RightFactor<T>& h,
                      const ElementWeights& weights, MatrixView<T> numerator, MatrixView<T> denominator,
                      Workspace<T>& work);

/// numerator (n × k) += Qᵀ · W and, with a denominator, denominator (n × k) += Rᵀ · W, or less what is not observed, as
/// above. The denominator's accumulator is of denominator_kind().
template <Scalar T>
void accumulate_weighted(const TileView<T>& x, MatrixView<const T> w, const RightFactor<T>& h,
                         const ElementWeights& weights, Accumulator<T>& numerator, Accumulator<T>& denominator,
                         Workspace<T>& work);

/// The layout of the denominators' accumulators: sparse where sums over X's stored elements are all there is, else
/// dense.
constexpr StorageKind denominator_kind(StorageKind kind, Observed observed) {
  return observed == Observed::not_zero ? kind : StorageKind::dense;
}

/// Bytes that accumulate_weighted takes beside the accumulators, a thread, where a tile's stored elements are brought
/// into the order of columns (only those observed, longer rows of sums); at most so many elements are stored.
double column_order_bytes(Index columns, Index components, Index stored, DataType type);

/// The part of a divergence D(X, W·H) that is summed element by element, rows with their weights.
template <Scalar T>
double divergence_sum(const TileView<T>& x, MatrixView<const T> w, const RightFactor<T>& h,
                      const DivergenceTerms& terms, Workspace<T>& work);

/// The same for half squares without a product W·H, from P = X·Hᵀ (rows × k) and h_gram = HHᵀ (k × k): ½‖X‖² − ⟨P, W⟩
/// and, for a dense tile,
/// + ½⟨WᵀW, HHᵀ⟩. nullopt for a dense tile whose distance is a small part of ‖X‖²: its digits cancel.
template <Scalar T>
std::optional<double> divergence_by_projection(const TileView<T>& x, MatrixView<const T> w, MatrixView<const T> p,
                                               const double* h_gram, Workspace<T>& work);

/// Y (rows × n) = W · H. h holds strips.
template <Scalar T>
void multiply(MatrixView<const T> w, const RightFactor<T>& h, MatrixView<T> y, Workspace<T>& work);

/// gram (k × k, double) += FᵀF for F rows × k: groups of rows are multiplied in T, from zero, and added in double.
/// weights: one a row, or null.
template <Scalar T>
void add_gram(MatrixView<const T> f, double* gram, Workspace<T>& work, const T* weights = nullptr);
/// The same for a node of up to four leaves of `leaf` rows each, the last one maybe smaller: the leaves are multiplied
/// in T, and added in double along the tree.
template <Scalar T>
void add_gram_of_leaves(MatrixView<const T> f, Index leaf, double* gram, Workspace<T>& work);
/// Rows of a factor that are multiplied at a time: by add_gram and multiply, and by updates of rows that need no X.
constexpr Index row_group = 96;

/// sums (k, double) += column sums of F. weights: one a row, or null.
template <Scalar T>
void add_column_sums(MatrixView<const T> f, double* sums, const T* weights = nullptr);

/// What one look at some elements of X finds out: their sum in double, how many are positive, and whether all are
/// finite and none is below `lowest`.
struct ElementTotals {
  double sum = 0;
  Index positive = 0;
  bool sound = true;
};
template <Scalar T>
ElementTotals element_totals(std::span<const T> elements, T lowest);

/// Sum of squares and sum of the elements of F (rows × k, in one piece), in double: several sums of every eighth
/// element.
struct NormAndSum {
  double norm_squared = 0;
  double sum = 0;
};
template <Scalar T>
NormAndSum norm_and_sum(MatrixView<const T> f);
/// ‖A − B‖², in double, as several sums. Both in one piece, of the same shape.
template <Scalar T>
double distance_squared(MatrixView<const T> a, MatrixView<const T> b);
/// The same two for the rows of a tile: one element after the other.
template <Scalar T>
NormAndSum norm_and_sum_in_order(MatrixView<const T> f);
template <Scalar T>
double distance_squared_in_order(MatrixView<const T> a, MatrixView<const T> b);

/// One coordinate-descent sweep over the rows of F (rows × k) for the quadratic with Gram matrix `gram` (k × k, l2 on
/// its diagonal) and linear term p − l1: components in `order`, each with the current row (HALS; Cichocki & Phan 2009).
/// Returns the sum of |projected gradient|, the violation, of the rows in their order; of_rows: that of each, or null.
template <Scalar T>
double sweep_rows(MatrixView<T> f, MatrixView<const T> p, double l1, const T* gram, const Index* order,
                  Workspace<T>& work, double* of_rows = nullptr);

/// F ∘ (N / D)^γ with D += l1 + l2·F, 0 replaced by ε, and quotients beyond the numbers of T by the largest one;
/// entries below zero_below become 0. All rows × k; D with stride 0 is one row for all.
template <Scalar T>
void multiply_rows(MatrixView<T> f, MatrixView<const T> numerator, MatrixView<const T> denominator, double l1,
                   double l2, double gamma, double zero_below);

/// Numbers of a mini-batch update of H.
struct MiniBatchUpdate {
  double rho;
  double l1;
  double l2;
  double gamma;
  double zero_below;
};

/// A ← ρA + N∘H^(1/γ), B ← ρB + D with D += l1 + l2·H, 0 replaced by ε; H ← (A/B)^γ, entries below zero_below become 0.
/// All rows × k, each in one piece (stride = k).
template <Scalar T>
void accumulate_mini_batch(MatrixView<T> h, MatrixView<const T> numerator, MatrixView<const T> denominator,
                           MatrixView<T> a, MatrixView<T> b, const MiniBatchUpdate& update);

/// The instruction set that the kernels run with on this machine: "AVX3", "AVX2", "NEON", …
const char* instruction_set();

}  // namespace scanmf
