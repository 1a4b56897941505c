#pragma once

#include "scanmf/core/types.hpp"
#include "scanmf/parallel/communicator.hpp"

namespace scanmf {

/// Collective. Throws AgreedError when the Gram matrices of the columns of X, of which a rank holds `sums` bytes for
/// each of its threads and once more, do not fit into what is free: for X that is in memory already.
void require_room_for_column_grams(const Communicator& comm, double sums, Index n_components);

}  // namespace scanmf
