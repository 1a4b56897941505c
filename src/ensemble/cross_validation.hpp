#pragma once

#include <vector>

#include "scanmf/ensemble/ensemble.hpp"

namespace scanmf {

/// Collective. Throws AgreedError for what no cross-validation of X can do: folds that there are not, weights of rows.
template <Scalar T>
void require_cross_validation(const DataSource<T>& x, const EnsembleOptions& options);

/// The test error of one k.
struct TestError {
  double mean = 0;            // of an observed element of X
  double standard_error = 0;  // from the means of the blocks that are held out, or of the repeats; 0 of one repeat
};

/// Collective. Bi-cross-validation (Owen & Perry, Ann. Appl. Stat. 3(2), 2009): rows and columns fall into folds; each
/// block A of a row fold and a column fold is held out in turn, and foretold from
///
///     A  B      W_D·H_D ≈ D, fitted from a random start
///     C  D      W_A from B with H_D fixed, H_A from C with W_D fixed
///
/// as W_A·H_A. X is not copied: folds are index sets, and all k share the passes. Returns one a k. Of what is missing
/// nothing counts; rows and columns of which nothing is observed in D, B or C are foretold as 0.
/// parameters: of the fits, random_state included. Throws AgreedError; asked to stop, with ExitStatus::stopped.
template <Scalar T>
std::vector<TestError> bi_cross_validation(DataSource<T>& x, const std::vector<Parameters>& parameters, Index folds,
                                           std::uint32_t random_state, const RunControl& control);

/// Collective. Cross-validation of entries: in each repeat a share of them, holdout, is treated as missing while all
/// k are fitted, and foretold as W·H; the error is d_β, that of the fits. They share the passes; X is not copied.
/// Returns one a k. Errors and stops: as above.
template <Scalar T>
std::vector<TestError> speckled_cross_validation(DataSource<T>& x, const std::vector<Parameters>& parameters,
                                                 double holdout, Index repeats, std::uint32_t random_state,
                                                 const RunControl& control);

}  // namespace scanmf
