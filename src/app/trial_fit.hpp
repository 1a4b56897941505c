#pragma once

#include "app/cost_model.hpp"
#include "scanmf/estimator/parameters.hpp"
#include "scanmf/parallel/communicator.hpp"

namespace scanmf::app {

/// Collective, for one rank alone. Fits random rows like those of X, as many as take about a second, and a quarter of
/// them, with this rank's threads: what a row costs, and what an iteration costs beside its rows.
Speed measure_speed(const Communicator& comm, const Workload& x, const Parameters& parameters);

}  // namespace scanmf::app
