#pragma once

#include <optional>
#include <vector>

#include "scanmf/linalg/operations.hpp"

namespace scanmf {

/// What an update of one factor needs to know of the other one beside its products with X: FᵀF (k × k), the column sums
/// of F (k), or nothing.
enum class FactorSums { gram, columns, none };

/// Numbers of these sums.
Index size_of(FactorSums kind, Index components);
/// sums (size_of(kind, k), double) += those of the rows of F.
/// weights: one a row, or null.
template <Scalar T>
void add_factor_sums(FactorSums kind, MatrixView<const T> f, double* sums, Workspace<T>& work,
                     const T* weights = nullptr);

/// All that solvers, passes and checks need to know of a loss D(X, W·H). A new one is one more function that fills
/// this, and what linalg does not have yet of its weights and terms.
struct Loss {
  FactorSums sums = FactorSums::gram;
  /// Weights of the products with X; nullopt: the products are those of X itself, so that X·Hᵀ can be kept while H is.
  std::optional<ElementWeights> weights;
  DivergenceTerms terms;
  double exponent = 1;       // γ of multiplicative updates, which never raise the loss with it
  bool allows_zeros = true;  // in X
  double zero_W_below = 0;   // entries of W below it become 0 in multiplicative updates
  double zero_H_below = 0;   // of H
  double dense_delay = 1;    // how many times the share of non-zeros of the Frobenius loss dense storage needs to pay;
                             // infinite: it never does
  // Coordinate descent where not all is observed: each row and each column has a Gram matrix of its own.
  bool observed_grams = false;
  // Multiplicative updates of W where of dense X little is missing: R·Hᵀ is W·HHᵀ less what is missing.
  bool gram_of_H = false;
  bool exact_sums = false;  // Gram matrices have the digits of double: differences are formed of them

  /// This loss where X is observed, for updates and evaluations by element weights; what was a sum of the other factor
  /// becomes, in part or as a whole, a denominator.
  Loss where(StorageKind kind, Observed observed) const;

  /// Whether products with X have a denominator of their own, R·Hᵀ and RᵀW.
  bool with_denominator() const { return weights && weights->with_denominator; }
  /// Whether the factor is needed in both layouts (RightFactor).
  bool needs_both_layouts(StorageKind kind) const {
    return kind == StorageKind::csr && weights ? weights->with_denominator && !weights->corrects
                                               : observed_grams || gram_of_H;
  }
  /// Whether sums over subsets of columns of H are.
  bool needs_subset_sums(StorageKind kind) const {
    return kind == StorageKind::dense && weights && weights->counts_observed();
  }
  /// Matrix products of the size of X for one side, W or H: weights need W·H first.
  int products() const { return weights ? 2 : 1; }
  /// D from the sum of divergence_sum over all tiles and sums_dot = ⟨sums of W, sums of H⟩.
  double closed(StorageKind kind, double element_sum, double sums_dot, const Shape& shape) const;
  /// Share of non-zeros from which a sparse matrix of elements of so many bytes is faster held dense; above 1: never.
  /// From measured costs, which hardly depend on the number of components.
  double dense_from(Index element_bytes) const;
};

/// ½‖X − W·H‖².
Loss frobenius();
/// The Kullback-Leibler divergence.
Loss kullback_leibler();
/// The β-divergence for any other β (Févotte & Idier, Neural Computation 23(9), 2011); β = 0 is Itakura-Saito's.
Loss beta_divergence_loss(double beta);

/// The loss that β stands for: 2 Frobenius, 1 Kullback-Leibler.
Loss loss_of(double beta);

}  // namespace scanmf
