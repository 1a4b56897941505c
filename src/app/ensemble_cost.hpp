#pragma once

#include <vector>

#include "app/cost_model.hpp"

namespace scanmf::app {

/// The fits of one number of components.
struct FitsOfK {
  Workload x;
  Speed speed;
  double iterations = 0;  // of all of them, steps of mini-batches
};

/// One way in which the ranks of a cluster share the fits of an ensemble, and what that costs.
struct EnsembleLayout {
  Layout ranks;             // seconds: of all fits, when each does all of its iterations
  Index groups = 1;         // of ranks, each of which holds all of X
  bool is_possible = true;  // within a node's memory
};

/// Every split of a node's cores into equal ranks, the best first. Groups are as ensemble makes them by itself: as many
/// as memory allows and fits are there, else one, whose X may be streamed. Fits are taken to be shared out evenly and
/// to run one after the other within a group; fewer bytes are read when several share a pass, which is left out.
std::vector<EnsembleLayout> ensemble_layouts(const std::vector<FitsOfK>& ks, Index fits, const Cluster& cluster);

}  // namespace scanmf::app
