#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "scanmf/core/types.hpp"
#include "scanmf/linalg/tile.hpp"
#include "scanmf/parallel/communicator.hpp"
#include "scanmf/parallel/row_partition.hpp"

namespace scanmf {

/// Facts about all of X, the same on every rank but for the last.
struct DataSummary {
  double sum = 0;      // of all elements, summed in double
  Index positive = 0;  // elements > 0
  Index stored = 0;    // elements held: rows × columns, or non-zeros
  Index local = 0;     // those of this rank
  bool has_zeros(const Shape& shape) const { return positive < shape.rows * shape.columns; }
  double mean(const Shape& shape) const { return sum / (static_cast<double>(shape.rows) * static_cast<double>(shape.columns)); }
};

/// X (rows × columns), partitioned over the ranks by rows, handed out block by block. In memory or streamed makes no difference to who uses it.
template <Scalar T>
class DataSource {
 public:
  using Visitor = std::function<void(const Block<T>&)>;

  virtual ~DataSource() = default;

  virtual Shape shape() const = 0;
  virtual StorageKind kind() const = 0;
  virtual const RowPartition& partition() const = 0;
  virtual const Communicator& communicator() const = 0;

  /// Replicated. What the validation (finite, >= 0) of the first reading found out.
  virtual const DataSummary& summary() const = 0;

  /// Local, not collective. Calls `visitor` for this rank's blocks of one batch, in ascending order; not at all when the rank has no rows in it.
  /// The block's memory is valid during the call only. Throws Error when reading fails.
  virtual void visit(Index batch, const Visitor& visitor) = 0;

  /// Bytes this rank holds X in, as laid out for the kernels (streamed: the largest amount at a time).
  virtual Index bytes() const = 0;

  /// Seconds in which visit() had to wait for a block to be read; 0 for data in memory.
  virtual double seconds_waited() const { return 0; }

  /// True when blocks stay in memory, so that visiting again costs no reading.
  virtual bool in_memory() const = 0;

  Index local_rows() const { return partition().local_rows(communicator().rank()); }
};

}  // namespace scanmf
