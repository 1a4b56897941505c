#pragma once

#include <cstdint>
#include <vector>

#include "scanmf/linalg/observed_grams.hpp"

namespace scanmf {

/// Sums Σ s_i·w_i·w_iᵀ over the rows i in which column j of X is observed or, as Observation::few says, is
/// not: triangles, one a column, in double, since what is left of a full sum has only those digits of a difference.
/// One thread collects rows over several tiles, so that each column's sum is read and written once for many of them.
template <Scalar T>
class ColumnGrams {
 public:
  /// Of n columns: n × k(k+1)/2, zero.
  static Accumulator<double> sums_of(Index columns, Index components);
  /// Forgets what was not summed up.
  void begin(Index columns, Index components);
  /// w: the tile's rows of W. sums: where they are added, now or later.
  void add(const TileView<T>& x, MatrixView<const T> w, const Observation& observation, Accumulator<double>& sums);
  /// Adds what waits to the sums.
  void sum_up(Accumulator<double>& sums);

 private:
  /// Which rows of a tile belong to which column.
  void list(const DenseTile<T>& x);
  void list(const CsrTile<T>& x);
  void all_others(const std::vector<std::uint16_t>& rows);
  void add_column(double* triangle, const std::vector<std::uint16_t>& rows);

  const Observation* observation_ = nullptr;
  Index components_ = 0;
  Index stride_ = 0;                            // of rows that wait
  Index rows_ = 0;                              // that wait
  std::vector<double> w_;                       // theirs, padded with zeros
  std::vector<double> weights_;                 // theirs
  std::vector<std::vector<std::uint16_t>> of_;  // for each column: some of them,
  bool lists_missing_ = false;                  // those where it is missing, whatever is wanted
  std::vector<std::uint16_t> others_;
  Workspace<double> gathered_;
};
/// Bytes of such sums of n columns.
double column_gram_bytes(Index columns, Index components);

}  // namespace scanmf
