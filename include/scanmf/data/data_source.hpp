#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "scanmf/core/types.hpp"
#include "scanmf/linalg/observed_grams.hpp"
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
  Index missing = 0;   // elements that are not observed, of which the others know nothing
  bool has_zeros(const Shape& shape) const { return positive < shape.rows * shape.columns - missing; }
  /// Of the elements that are observed; 0 where none is.
  double mean(const Shape& shape) const {
    const double all = static_cast<double>(shape.rows) * static_cast<double>(shape.columns);
    const double observed = all - static_cast<double>(missing);
    return observed > 0 ? sum / observed : 0.0;
  }
};

/// What exchanging rows between ranks has cost this one.
struct ExchangeCost {
  Index calls = 0;
  Index bytes = 0;     // received
  double seconds = 0;  // waiting for others included
};

/// X (rows × columns), partitioned over the ranks by rows, handed out block by block. In memory or streamed makes no
/// difference to who uses it.
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

  /// What of X is observed, and whether rows have weights; null: all is, and none has.
  virtual const Observation* observation() const { return nullptr; }

  /// Calls `visitor` for this rank's blocks of one batch, in ascending order; not at all when the rank has no rows in
  /// it. The block's memory is valid during the call only. Throws Error when reading fails, and what the visitor
  /// throws. Every rank makes the same sequence of visits, ranks without rows included, because a source may have to
  /// exchange rows between ranks for it. Such a visit is collective: a failure of reading, or of the visitor, on any
  /// rank makes it throw AgreedError on all. The visitor does not communicate.
  virtual void visit(Index batch, const Visitor& visitor) = 0;

  /// Bytes this rank holds X in, as laid out for the kernels (streamed: the largest amount at a time).
  virtual Index bytes() const = 0;

  /// Seconds in which visit() had to wait for a block to be read, here or by a rank that sends it; 0 for data in
  /// memory.
  virtual double seconds_waited() const { return 0; }

  /// True when visit() is collective. Nothing may then fail on one rank alone between two visits.
  virtual bool exchanges() const { return false; }
  /// What visit() has spent on that so far.
  virtual ExchangeCost exchange_cost() const { return {}; }

  /// Compressed chunks that this rank has read and inflated since the source was opened.
  virtual Index chunks_inflated() const { return 0; }

  /// True when blocks stay in memory, so that visiting again costs no reading.
  virtual bool in_memory() const = 0;

  Index local_rows() const { return partition().local_rows(communicator().rank()); }
};

}  // namespace scanmf
