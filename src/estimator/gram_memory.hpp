#pragma once

#include "scanmf/core/types.hpp"
#include "scanmf/parallel/communicator.hpp"

namespace scanmf {

/// Collective. Throws AgreedError when the Gram matrices of the columns of X, of which a rank holds `bytes` bytes for
/// each of so many sums of strata and once more, do not fit into what is free: for X that is in memory already.
void require_room_for_column_grams(const Communicator& comm, double bytes, Index parts, Index n_components);

}  // namespace scanmf
