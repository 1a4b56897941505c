#pragma once

#include "scanmf/data/data_source.hpp"
#include "scanmf/data/matrix_file.hpp"

namespace scanmf::data {

/// What the sources in memory have in common.
template <Scalar T>
class MemorySource : public DataSource<T> {
 public:
  MemorySource(const Communicator& comm, const Shape& shape, RowPartition partition, const DataSummary& summary)
      : comm_(&comm), shape_(shape), partition_(std::move(partition)), summary_(summary) {}

  Shape shape() const override { return shape_; }
  const RowPartition& partition() const override { return partition_; }
  const Communicator& communicator() const override { return *comm_; }
  const DataSummary& summary() const override { return summary_; }
  bool in_memory() const override { return true; }
  void visit(Index batch, const typename DataSource<T>::Visitor& visitor) override;

 protected:
  /// The rows of a batch that this rank owns; `local_begin`: the first one's row of W.
  virtual decltype(Block<T>::matrix) matrix(Index local_begin, Index rows) const = 0;

 private:
  const Communicator* comm_;
  Shape shape_;
  RowPartition partition_;
  DataSummary summary_;
};

/// Dense rows: this rank's pieces of the batches, packed, one after the other.
template <Scalar T>
class DenseMemorySource : public MemorySource<T> {
 public:
  DenseMemorySource(const Communicator& comm, const Shape& shape, RowPartition partition, const DataSummary& summary,
                    Buffer<T> packed)
      : MemorySource<T>(comm, shape, std::move(partition), summary), packed_(std::move(packed)) {}
  StorageKind kind() const override { return StorageKind::dense; }
  Index bytes() const override { return packed_.size() * static_cast<Index>(sizeof(T)); }

 private:
  decltype(Block<T>::matrix) matrix(Index local_begin, Index rows) const override {
    const Index columns = this->shape().columns;
    return DenseBlock<T>{rows, columns, this->partition().tile_rows(),
                         packed_.data() + local_begin * padded_columns<T>(columns)};
  }
  Buffer<T> packed_;
};

/// The rows of a rank in compressed form.
template <Scalar T>
struct CsrRows {
  Buffer<Index> row_begin;  // rows + 1
  Buffer<std::int32_t> column;
  Buffer<T> value;
};

template <Scalar T>
class CsrMemorySource : public MemorySource<T> {
 public:
  CsrMemorySource(const Communicator& comm, const Shape& shape, RowPartition partition, const DataSummary& summary,
                  CsrRows<T> rows)
      : MemorySource<T>(comm, shape, std::move(partition), summary), rows_(std::move(rows)) {}
  StorageKind kind() const override { return StorageKind::csr; }
  Index bytes() const override {
    const Index stored = rows_.row_begin[rows_.row_begin.size() - 1];
    return rows_.row_begin.size() * static_cast<Index>(sizeof(Index)) +
           stored * static_cast<Index>(sizeof(std::int32_t) + sizeof(T));
  }

 private:
  decltype(Block<T>::matrix) matrix(Index local_begin, Index rows) const override {
    return CsrBlock<T>{rows,
                       this->shape().columns,
                       this->partition().tile_rows(),
                       rows_.row_begin.data() + local_begin,
                       rows_.column.data(),
                       rows_.value.data()};
  }
  CsrRows<T> rows_;
};

/// Which rows belong to which rank, by the rules of all sources; see RowPartition. tile_weights, of sparse rows: the
/// stored elements of each tile of sparse_tiles(), and one for each row.
RowPartition partition_for(const Communicator& comm, StorageKind kind, const Shape& shape, const LoadOptions& options,
                           std::span<const Index> tile_weights = {});

}  // namespace scanmf::data
