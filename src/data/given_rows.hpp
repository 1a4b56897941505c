#pragma once

#include <algorithm>
#include <vector>

#include "scanmf/linalg/matrix.hpp"
#include "scanmf/parallel/communicator.hpp"
#include "scanmf/parallel/row_partition.hpp"

namespace scanmf::data {

/// The rows of X as their giver holds them: any number of consecutive rows on each rank, ranks in order; and their way to the ranks that own them in
/// a partition, and back.
///
///     given by rank   | 0           | 1    |        2         |
///     owned by rank   | 0    | 1    | 2    | 0    | 1    | 2  |      two batches
///
class GivenRows {
 public:
  /// Collective. local_rows: how many this rank holds.
  GivenRows(const Communicator& comm, Index local_rows) : comm_(&comm), first_rows_(1, 0) {
    for (const Index count : comm.allgather(local_rows)) {
      first_rows_.push_back(first_rows_.back() + count);
      most_ = std::max(most_, count);
    }
  }

  Index total() const { return first_rows_.back(); }
  Index most_of_a_rank() const { return most_; }

  /// Collective. Of the rows that each rank has given, those numbered sent.begin … sent.end go to their owners; there
  /// put(batch, row within the rank's piece of the batch, rows) takes them.
  template <Scalar T, class Put>
  void hand_over(MatrixView<const T> given, Range sent, const RowPartition& partition, Put&& put) const {
    std::vector<std::vector<T>> outgoing(static_cast<std::size_t>(comm_->size()));
    for (int owner = 0; owner < comm_->size(); ++owner)
      for_each_shared(comm_->rank(), owner, sent, partition, [&](Index, Range rows) {
        append(outgoing[static_cast<std::size_t>(owner)],
               given.middle_rows({rows.begin - first_row(comm_->rank()), rows.end - first_row(comm_->rank())}));
      });
    const std::vector<std::vector<T>> incoming = comm_->exchange(outgoing);
    for (int giver = 0; giver < comm_->size(); ++giver) {
      const T* next = incoming[static_cast<std::size_t>(giver)].data();
      for_each_shared(giver, comm_->rank(), sent, partition, [&](Index batch, Range rows) {
        put(batch, rows.begin - partition.piece(batch, comm_->rank()).begin, MatrixView<const T>(next, rows.size(), given.columns));
        next += rows.size() * given.columns;
      });
    }
  }

  /// Collective. The reverse, for a matrix with the rows that this rank owns, batch by batch: returns those that it has given.
  template <Scalar T>
  Matrix<T> hand_back(MatrixView<const T> owned, const RowPartition& partition) const {
    const Range all = {0, most_};
    const auto local_row = [&](Index batch, Index row) {
      return partition.local_begin(batch, comm_->rank()) + row - partition.piece(batch, comm_->rank()).begin;
    };
    std::vector<std::vector<T>> outgoing(static_cast<std::size_t>(comm_->size()));
    for (int giver = 0; giver < comm_->size(); ++giver)
      for_each_shared(giver, comm_->rank(), all, partition, [&](Index batch, Range rows) {
        append(outgoing[static_cast<std::size_t>(giver)],
               owned.middle_rows({local_row(batch, rows.begin), local_row(batch, rows.begin) + rows.size()}));
      });
    const std::vector<std::vector<T>> incoming = comm_->exchange(outgoing);
    Matrix<T> given(first_row(comm_->rank() + 1) - first_row(comm_->rank()), owned.columns);
    for (int owner = 0; owner < comm_->size(); ++owner) {
      const T* next = incoming[static_cast<std::size_t>(owner)].data();
      for_each_shared(comm_->rank(), owner, all, partition, [&](Index, Range rows) {
        std::copy_n(next, rows.size() * owned.columns, given.row(rows.begin - first_row(comm_->rank())));
        next += rows.size() * owned.columns;
      });
    }
    return given;
  }

 private:
  Index first_row(int rank) const { return first_rows_[static_cast<std::size_t>(rank)]; }

  /// Calls visit(batch, rows of X) for the rows that `owner` owns among those that `giver` has given, numbered sent.begin … sent.end there.
  template <class Visit>
  void for_each_shared(int giver, int owner, Range sent, const RowPartition& partition, Visit&& visit) const {
    const Index end = first_row(giver + 1);
    const Range given = {std::min(first_row(giver) + sent.begin, end), std::min(first_row(giver) + sent.end, end)};
    if (given.empty()) return;
    for (Index batch = given.begin / partition.batch_rows(); batch <= (given.end - 1) / partition.batch_rows(); ++batch) {
      const Range piece = partition.piece(batch, owner);
      const Range shared = {std::max(piece.begin, given.begin), std::min(piece.end, given.end)};
      if (!shared.empty()) visit(batch, shared);
    }
  }

  template <Scalar T>
  static void append(std::vector<T>& to, MatrixView<const T> rows) {
    for (Index i = 0; i < rows.rows; ++i) to.insert(to.end(), rows.row(i), rows.row(i) + rows.columns);
  }

  const Communicator* comm_;
  std::vector<Index> first_rows_;  // ranks + 1; number in X of the first row that each rank has given
  Index most_ = 0;
};

}  // namespace scanmf::data
