#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "data/wrapped_source.hpp"
#include "scanmf/estimator/estimator.hpp"

namespace scanmf {

/// Entries of a matrix that are held out: those whose hash of (seed, repeat, row, column) falls below a share. So they
/// are the same for any number of ranks, in memory or streamed, dense or sparse.
class Speckle {
 public:
  Speckle(double share, std::uint32_t seed, Index repeat);
  double share() const { return share_; }
  /// Columns < `columns` of a row that are held out, ascending.
  void held_out(Index row, Index columns, std::vector<std::int32_t>& found) const;

 private:
  double share_;
  std::uint32_t bound_;  // of a hash
  std::uint32_t seed_;
  std::uint32_t repeat_;
};

/// Collective. Another source, which must outlive it, of whose observed entries those that are held out are not. Each
/// visit copies a few tiles at a time. Rows and columns of which nothing is left have factors of 0.
template <Scalar T>
std::unique_ptr<DataSource<T>> without_held_out(DataSource<T>& x, const Speckle& speckle);

/// Sum of d_β over entries, and their number.
struct HeldOutLoss {
  std::vector<double> sums;  // one a model
  Index entries = 0;
};

/// Collective. Of the entries of X that are observed and held out, with the W·H of models.
template <Scalar T>
HeldOutLoss held_out_loss(DataSource<T>& x, const Speckle& speckle, std::span<const FittedModel<T>> models);

}  // namespace scanmf
