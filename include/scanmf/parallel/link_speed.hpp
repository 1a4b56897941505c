#pragma once

#include "scanmf/parallel/communicator.hpp"

namespace scanmf {

/// How fast neighbouring ranks pass on messages while all others do so too.
struct LinkSpeed {
  double bytes_per_second = 0;   // of long messages, a rank; 0: there is one rank only
  double seconds_a_message = 0;  // of a message of a few bytes
};

/// Collective. Measures in some milliseconds: each rank sends to the next one and receives from the one before, all at
/// the same time; the slowest rank counts. This is the pace of the ring algorithms of MPI's collectives.
LinkSpeed measure_link_speed(const Communicator& comm);

}  // namespace scanmf
