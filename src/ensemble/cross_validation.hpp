#pragma once

#include <vector>

#include "scanmf/ensemble/ensemble.hpp"

namespace scanmf {

/// The test error of one k.
struct TestError {
  double mean = 0;            // of an element of X, squared
  double standard_error = 0;  // from the means of the blocks that are held out
};

/// Collective. Bi-cross-validation (Owen & Perry, Ann. Appl. Stat. 3(2), 2009): rows and columns fall into folds; each
/// block A of a row fold and a column fold is held out in turn, and foretold from
///
///     A  B      W_D·H_D ≈ D, fitted from a random start
///     C  D      W_A from B with H_D fixed, H_A from C with W_D fixed
///
/// as W_A·H_A. X is not copied: folds are index sets, and all k share the passes. Returns one a k.
/// parameters: of the fits, random_state included. Throws AgreedError.
template <Scalar T>
std::vector<TestError> bi_cross_validation(DataSource<T>& x, const std::vector<Parameters>& parameters, Index folds,
                                           std::uint32_t random_state, const RunControl& control);

}  // namespace scanmf
