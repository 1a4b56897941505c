#pragma once

#include <span>

#include "scanmf/data/data_source.hpp"
#include "scanmf/ensemble/ensemble.hpp"

namespace scanmf {

/// How the X of one replicate is drawn.
struct Resample {
  Resampling kind = Resampling::none;
  double width = 0;  // of uniform: factors are from 1 − width to 1 + width
  std::uint32_t seed = 0;
};

/// Local. Draws a row of X in place: `values` are all its elements, or those that are stored, of these columns
/// (ascending; nullptr: 0, 1, …). What an element becomes depends on the seed, its row and column, and on the other
/// elements of its row where they share a sum, alone: zeros that are stored change nothing.
template <Scalar T>
void resample_row(const Resample& how, Index row, const std::int32_t* columns, std::span<T> values);

/// Collective. Reads X once where its values decide whether it can be drawn from: counts are what multinomial and
/// poisson are for, other values are warned of. Throws AgreedError for values beyond 2^53, where counts are no longer
/// exact.
template <Scalar T>
void check_resampling(DataSource<T>& x, Resampling kind);

}  // namespace scanmf
