#pragma once

#include "estimator/pass_runner.hpp"
#include "scanmf/solver/multiplicative.hpp"

namespace scanmf {

/// Collective. The loop of NMF: from the model's factors and counters to the stop rule.
template <Scalar T>
void fit_nmf(PassRunner<T>& runner, const Seed& seed, const FitControl<T>& control, FittedModel<T>& model);

/// Collective. The loop of MiniBatchNMF.
template <Scalar T>
void fit_mini_batch(PassRunner<T>& runner, const FitControl<T>& control, FittedModel<T>& model);

/// Collective. The end of an iteration, with the flags that all ranks have agreed on: whether the run stops, and a checkpoint when one is due or it
/// does.
template <Scalar T>
void end_iteration(bool stop_requested, bool checkpoint_due, const FitControl<T>& control, FittedModel<T>& model);

/// √(2·max(D, 0)).
double error_of(double divergence);

}  // namespace scanmf
