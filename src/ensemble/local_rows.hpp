#pragma once

#include "scanmf/parallel/row_partition.hpp"

namespace scanmf {

/// The row of W of this rank, which owns it, that belongs to a row of X.
inline Index local_row(const RowPartition& partition, int rank, Index row) {
  const Index batch = row / partition.batch_rows();
  return partition.local_begin(batch, rank) + row - partition.piece(batch, rank).begin;
}

}  // namespace scanmf
