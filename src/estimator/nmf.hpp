#pragma once

#include "estimator/pass_runner.hpp"
#include "scanmf/solver/multiplicative.hpp"

namespace scanmf {

/// Collective. The loop of NMF: from initial factors to the stop rule. model: parameters, n_components, n_samples and factors are set.
template <Scalar T>
void fit_nmf(PassRunner<T>& runner, std::uint32_t seed, const RunControl& control, FittedModel<T>& model);

/// Collective. The loop of MiniBatchNMF.
template <Scalar T>
void fit_mini_batch(PassRunner<T>& runner, const RunControl& control, FittedModel<T>& model);

/// Collective. Multiplicative updates of the rows of W of one batch (or of all, batch < 0) from √(mean/k), until the relative change of W is at most tol or
/// `limit` updates are done (scikit-learn's _solve_W). mean: of these rows of X.
template <Scalar T>
void solve_W(PassRunner<T>& runner, Multiplicative<T>& rule, Index batch, MatrixView<T> W, double mean, double tol, Index limit, const RunControl& control);

/// √(2·max(D, 0)).
double error_of(double divergence);

}  // namespace scanmf
