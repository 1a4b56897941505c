#pragma once

#include "scanmf/data/data_source.hpp"
#include "scanmf/estimator/parameters.hpp"
#include "scanmf/solver/loss.hpp"

namespace scanmf {

/// The loss that β stands for on X, as much of it as is observed.
template <Scalar T>
Loss loss_on(const DataSource<T>& x, double beta) {
  const Observation* const observation = x.observation();
  return observation == nullptr ? loss_of(beta) : loss_of(beta).where(x.kind(), observation->observed);
}

/// The loss of coordinate descent on X.
template <Scalar T>
Loss descent_loss_on(const DataSource<T>& x, const Parameters& parameters) {
  Loss loss = frobenius();
  loss.observed_grams = x.observation() != nullptr && x.observation()->observed != Observed::all;
  // An extrapolated descent judges sparse X by a small difference of large sums.
  const bool extrapolates = parameters.acceleration == Acceleration::extrapolation;
  loss.exact_sums = loss.observed_grams || (extrapolates && x.kind() == StorageKind::csr);
  return loss;
}

}  // namespace scanmf
