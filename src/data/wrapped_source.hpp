#pragma once

#include "scanmf/data/data_source.hpp"

namespace scanmf::data {

/// Another source, as it is but for what a derived one says otherwise. It must outlive this one.
template <Scalar T>
class WrappedSource : public DataSource<T> {
 public:
  explicit WrappedSource(DataSource<T>& whole) : whole_(whole) {}

  Shape shape() const override { return whole_.shape(); }
  StorageKind kind() const override { return whole_.kind(); }
  const RowPartition& partition() const override { return whole_.partition(); }
  const Communicator& communicator() const override { return whole_.communicator(); }
  const DataSummary& summary() const override { return whole_.summary(); }
  const Observation* observation() const override { return whole_.observation(); }
  void visit(Index batch, const typename DataSource<T>::Visitor& visitor) override { whole_.visit(batch, visitor); }
  Index bytes() const override { return whole_.bytes(); }
  double seconds_waited() const override { return whole_.seconds_waited(); }
  bool exchanges() const override { return whole_.exchanges(); }
  ExchangeCost exchange_cost() const override { return whole_.exchange_cost(); }
  Index chunks_inflated() const override { return whole_.chunks_inflated(); }
  bool in_memory() const override { return whole_.in_memory(); }

 protected:
  DataSource<T>& whole_;
};

}  // namespace scanmf::data
