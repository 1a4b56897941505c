#pragma once

#include <optional>

#include "scanmf/linalg/operations.hpp"

namespace scanmf {

/// The operations of operations.hpp for one storage kind: the same names, the same meaning. A new storage kind
/// specialises this for its tile; solvers see tiles through TileView and do not change.
template <class Tile>
struct TileOperations;

template <Scalar T>
struct TileOperations<DenseTile<T>> {
  static void project(const DenseTile<T>& x, const RightFactor<T>& h, MatrixView<T> p, Workspace<T>& work);
  static void accumulate(const DenseTile<T>& x, MatrixView<const T> w, Accumulator<T>& xtw, Workspace<T>& work);
  static void project_weighted(const DenseTile<T>& x, MatrixView<const T> w, const RightFactor<T>& h,
                               const ElementWeights& weights, MatrixView<T> numerator, MatrixView<T> denominator,
                               Workspace<T>& work);
  static void accumulate_weighted(const DenseTile<T>& x, MatrixView<const T> w, const RightFactor<T>& h,
                                  const ElementWeights& weights, Accumulator<T>& numerator, Accumulator<T>& denominator,
                                  Workspace<T>& work);
  static double divergence_sum(const DenseTile<T>& x, MatrixView<const T> w, const RightFactor<T>& h,
                               const DivergenceTerms& terms, Workspace<T>& work);
  static std::optional<double> divergence_by_projection(const DenseTile<T>& x, MatrixView<const T> w,
                                                        MatrixView<const T> p, const double* h_gram,
                                                        Workspace<T>& work);
};

template <Scalar T>
struct TileOperations<CsrTile<T>> {
  static void project(const CsrTile<T>& x, const RightFactor<T>& h, MatrixView<T> p, Workspace<T>& work);
  static void accumulate(const CsrTile<T>& x, MatrixView<const T> w, Accumulator<T>& xtw, Workspace<T>& work);
  static void project_weighted(const CsrTile<T>& x, MatrixView<const T> w, const RightFactor<T>& h,
                               const ElementWeights& weights, MatrixView<T> numerator, MatrixView<T> denominator,
                               Workspace<T>& work);
  static void accumulate_weighted(const CsrTile<T>& x, MatrixView<const T> w, const RightFactor<T>& h,
                                  const ElementWeights& weights, Accumulator<T>& numerator, Accumulator<T>& denominator,
                                  Workspace<T>& work);
  static double divergence_sum(const CsrTile<T>& x, MatrixView<const T> w, const RightFactor<T>& h,
                               const DivergenceTerms& terms, Workspace<T>& work);
  static std::optional<double> divergence_by_projection(const CsrTile<T>& x, MatrixView<const T> w,
                                                        MatrixView<const T> p, const double* h_gram,
                                                        Workspace<T>& work);
};

}  // namespace scanmf
