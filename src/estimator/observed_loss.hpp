#pragma once

#include "scanmf/data/data_source.hpp"
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
Loss descent_loss_on(const DataSource<T>& x) {
  Loss loss = frobenius();
  loss.observed_grams = x.observation() != nullptr && x.observation()->observed != Observed::all;
  return loss;
}

}  // namespace scanmf
