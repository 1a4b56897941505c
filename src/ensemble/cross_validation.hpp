#pragma once

#include <memory>
#include <span>
#include <vector>

#include "scanmf/ensemble/ensemble.hpp"

namespace scanmf {

/// Collective. Throws AgreedError for what no cross-validation of X can do: folds that there are not, weights of rows.
template <Scalar T>
void require_cross_validation(const DataSource<T>& x, const EnsembleOptions& options);

/// The error of what is held out in one part of a cross-validation, for one k.
struct PartError {
  double sum = 0;      // over the elements of it that are observed
  Index elements = 0;  // these; 0: not known yet
};

/// How many parts are held out, each in its turn: blocks, or the entries of a repeat.
Index parts_held_out(const EnsembleOptions& options);

/// Fits what is left of X when a part is held out, and sees how well the part is foretold. X is not copied, all k share
/// the passes.
template <Scalar T>
class CrossValidation {
 public:
  virtual ~CrossValidation() = default;
  /// Collective. One a k. parameters: of the fits, random_state included. Throws AgreedError; asked to stop, with
  /// ExitStatus::stopped.
  virtual std::vector<PartError> errors(Index part, const std::vector<Parameters>& parameters) = 0;
};

/// Collective. x and control must outlive it.
///
/// Bi-cross-validation (Owen & Perry, Ann. Appl. Stat. 3(2), 2009): rows and columns fall into folds, which are index
/// sets; each block A of a row fold and a column fold is held out in turn, and foretold from
///
///     A  B      W_D·H_D ≈ D, fitted from a random start
///     C  D      W_A from B with H_D fixed, H_A from C with W_D fixed
///
/// as W_A·H_A; the error is squared. Of what is missing nothing counts; rows and columns of which nothing is observed
/// in D, B or C are foretold as 0.
///
/// Cross-validation of entries, "speckled": in each repeat a share of them, holdout, is treated as missing while all
/// k are fitted, and foretold as W·H; the error is d_β, that of the fits.
template <Scalar T>
std::unique_ptr<CrossValidation<T>> open_cross_validation(DataSource<T>& x, const EnsembleOptions& options,
                                                          std::uint32_t random_state, const RunControl& control);

/// The test error of one k.
struct TestError {
  double mean = 0;            // of an observed element of X
  double standard_error = 0;  // from the means of the blocks that are held out, or of the repeats; 0 of one repeat
};
/// From all parts, all of them known.
TestError test_error(Selection selection, std::span<const PartError> parts);

}  // namespace scanmf
