#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <utility>

#include "scanmf/data/data_source.hpp"
#include "support/pack_rows.hpp"

namespace scanmf {

/// A data source made of a matrix that every rank holds, handed out in blocks of two tiles. Dense or CSR, with any
/// batches.
template <Scalar T>
class TestSource : public DataSource<T> {
 public:
  TestSource(const Communicator& comm, const Matrix<double>& x, StorageKind kind, Index batch_rows = 0)
      : comm_(comm),
        shape_{x.rows(), x.columns()},
        kind_(kind),
        partition_(partition_of(comm, x, kind, batch_rows == 0 ? x.rows() : batch_rows)),
        x_(x.rows(), x.columns()) {
    for (Index i = 0; i < x.rows() * x.columns(); ++i) {
      x_.data()[i] = static_cast<T>(x.data()[i]);
      summary_.sum += static_cast<double>(x_.data()[i]);
      summary_.positive += x_.data()[i] > 0 ? 1 : 0;
    }
    summary_.stored = kind == StorageKind::dense ? x.rows() * x.columns() : summary_.positive;
  }

  Shape shape() const override { return shape_; }
  StorageKind kind() const override { return kind_; }
  const RowPartition& partition() const override { return partition_; }
  const Communicator& communicator() const override { return comm_; }
  const DataSummary& summary() const override { return summary_; }
  Index bytes() const override { return 0; }
  bool in_memory() const override { return in_memory_; }
  void pretend_to_be_streamed() { in_memory_ = false; }

  /// How often X was read.
  Index visits() const { return visits_; }

  void visit(Index batch, const typename DataSource<T>::Visitor& visitor) override {
    ++visits_;
    const Range piece = partition_.piece(batch, comm_.rank());
    const Index tile_rows = partition_.tile_rows();
    for (Index begin = piece.begin; begin < piece.end; begin += 2 * tile_rows) {
      const Range rows{begin, std::min(begin + 2 * tile_rows, piece.end)};
      Block<T> block;
      block.local_row = partition_.local_begin(batch, comm_.rank()) + begin - piece.begin;
      block.global_row = begin;
      block.first_tile = partition_.tile_in_batch(begin);
      block.tiles_a_stratum = partition_.tiles_a_stratum();
      if (kind_ == StorageKind::dense)
        visit_dense(rows, block, visitor);
      else
        visit_csr(rows, block, visitor);
    }
  }

 private:
  static RowPartition partition_of(const Communicator& comm, const Matrix<double>& x, StorageKind kind, Index length) {
    const Tiling tiling = tiling_for(kind, {length, x.columns()}, length * x.columns() / 4);
    return {x.rows(), length, tiling.tile_rows, tiling.tiles_a_stratum, comm.size()};
  }
  void visit_dense(Range rows, Block<T>& block, const typename DataSource<T>::Visitor& visitor) {
    Buffer<T> packed(rows.size() * padded_columns<T>(shape_.columns));
    test::pack_rows<T>(std::as_const(x_).view().middle_rows(rows), 0, rows.size(), partition_.tile_rows(),
                       packed.data());
    block.matrix = DenseBlock<T>{rows.size(), shape_.columns, partition_.tile_rows(), packed.data()};
    visitor(block);
  }

  void visit_csr(Range rows, Block<T>& block, const typename DataSource<T>::Visitor& visitor) {
    std::vector<Index> row_begin{0};
    std::vector<std::int32_t> column;
    std::vector<T> value;
    for (Index i = rows.begin; i < rows.end; ++i) {
      for (Index j = 0; j < shape_.columns; ++j)
        if (x_(i, j) != 0) {
          column.push_back(static_cast<std::int32_t>(j));
          value.push_back(x_(i, j));
        }
      row_begin.push_back(static_cast<Index>(column.size()));
    }
    block.matrix =
        CsrBlock<T>{rows.size(), shape_.columns, partition_.tile_rows(), row_begin.data(), column.data(), value.data()};
    visitor(block);
  }

  const Communicator& comm_;
  Shape shape_;
  StorageKind kind_;
  RowPartition partition_;
  Matrix<T> x_;
  DataSummary summary_;
  bool in_memory_ = true;
  Index visits_ = 0;
};

/// W of all ranks in the order of X's rows, on every rank.
template <Scalar T>
Matrix<double> gather_rows(const DataSource<T>& source, const Matrix<T>& local) {
  Matrix<double> all(source.shape().rows, local.columns(), 0.0);
  const RowPartition& partition = source.partition();
  const int rank = source.communicator().rank();
  EXPECT_EQ(local.rows(), partition.local_rows(rank));
  for (Index batch = 0; batch < partition.batches(); ++batch) {
    const Range piece = partition.piece(batch, rank);
    for (Index i = 0; i < piece.size(); ++i)
      for (Index c = 0; c < local.columns(); ++c)
        all(piece.begin + i, c) = static_cast<double>(local(partition.local_begin(batch, rank) + i, c));
  }
  source.communicator().allreduce_sum(all.span());
  return all;
}

template <class T>
Matrix<double> transposed(const Matrix<T>& a) {
  Matrix<double> t(a.columns(), a.rows());
  for (Index i = 0; i < a.rows(); ++i)
    for (Index j = 0; j < a.columns(); ++j) t(j, i) = static_cast<double>(a(i, j));
  return t;
}

/// max|a − b|
inline double largest_difference(const Matrix<double>& a, const Matrix<double>& b) {
  EXPECT_EQ(a.rows(), b.rows());
  EXPECT_EQ(a.columns(), b.columns());
  if (a.rows() != b.rows() || a.columns() != b.columns()) return 1e300;
  double largest = 0;
  for (Index i = 0; i < a.rows() * a.columns(); ++i) {
    const double difference = std::abs(a.data()[i] - b.data()[i]);
    if (!(difference <= largest)) largest = difference;  // NaN too
  }
  return largest;
}

inline double largest_entry(const Matrix<double>& a) {
  double largest = 0;
  for (const double value : a.span()) largest = std::max(largest, std::abs(value));
  return largest;
}

}  // namespace scanmf
