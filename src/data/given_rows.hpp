#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "scanmf/core/error.hpp"
#include "scanmf/linalg/matrix.hpp"
#include "scanmf/parallel/communicator.hpp"
#include "scanmf/parallel/row_partition.hpp"

namespace scanmf::data {

/// Collective. The number of columns on which all ranks that have rows agree.
inline Index agreed_columns(const Communicator& comm, Index rows, Index columns) {
  const Index most = comm.max(rows > 0 ? columns : 0);
  comm.agree([&] {
    if (columns != most && rows > 0)
      throw Error(fmt::format("rank {} has rows of {} columns, others of {}", comm.rank(), columns, most));
  });
  return comm.max(std::max(most, columns));
}

/// The rows of X as their giver holds them: any number of consecutive rows on each rank, ranks in order; and their way
/// to the ranks that own them in a partition, and back.
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

  /// Collective. Of the rows that each rank has given, those numbered sent.begin … sent.end go to their owners, unless
  /// that is the giver itself: append(elements, rows) appends some of this rank's given rows to what is sent,
  /// put(batch, row within the rank's piece of the batch, rows) takes what has come.
  template <Scalar T, class Append, class Put>
  void hand_over(Index columns, Range sent, const RowPartition& partition, Append&& append_rows, Put&& put) const {
    if (comm_->size() == 1) return;
    const int own = comm_->rank();
    std::vector<std::vector<T>> outgoing(static_cast<std::size_t>(comm_->size()));
    comm_->agree([&] {
      for (int owner = 0; owner < comm_->size(); ++owner)
        if (owner != own)
          for_each_shared(own, owner, sent, partition, [&](Index, Range rows) {
            append_rows(outgoing[static_cast<std::size_t>(owner)], given_range(rows));
          });
    });
    const std::vector<std::vector<T>> incoming = comm_->exchange(outgoing);
    for (int giver = 0; giver < comm_->size(); ++giver) {
      if (giver == own) continue;
      const T* next = incoming[static_cast<std::size_t>(giver)].data();
      for_each_shared(giver, own, sent, partition, [&](Index batch, Range rows) {
        put(batch, rows.begin - partition.piece(batch, own).begin, MatrixView<const T>(next, rows.size(), columns));
        next += rows.size() * columns;
      });
    }
  }

  /// Local. keep(batch, row within the rank's piece of the batch, rows) for the given rows that this rank owns itself.
  template <class Keep>
  void for_each_kept(const RowPartition& partition, Keep&& keep) const {
    const int own = comm_->rank();
    for_each_shared(own, own, {0, most_}, partition, [&](Index batch, Range rows) {
      keep(batch, rows.begin - partition.piece(batch, own).begin, given_range(rows));
    });
  }

  /// Collective. The reverse, for a matrix with the rows that this rank owns, batch by batch: returns those that it has
  /// given.
  template <Scalar T>
  Matrix<T> hand_back(MatrixView<const T> owned, const RowPartition& partition) const {
    const Range all = {0, most_};
    const auto local_row = [&](Index batch, Index row) {
      return partition.local_begin(batch, comm_->rank()) + row - partition.piece(batch, comm_->rank()).begin;
    };
    Matrix<T> given(first_row(comm_->rank() + 1) - first_row(comm_->rank()), owned.columns);
    for_each_kept(partition, [&](Index batch, Index row, Range rows) {
      std::copy_n(owned.row(partition.local_begin(batch, comm_->rank()) + row), rows.size() * owned.columns,
                  given.row(rows.begin));
    });
    if (comm_->size() == 1) return given;
    std::vector<std::vector<T>> outgoing(static_cast<std::size_t>(comm_->size()));
    for (int giver = 0; giver < comm_->size(); ++giver)
      if (giver != comm_->rank())
        for_each_shared(giver, comm_->rank(), all, partition, [&](Index batch, Range rows) {
          append(outgoing[static_cast<std::size_t>(giver)],
                 owned.middle_rows({local_row(batch, rows.begin), local_row(batch, rows.begin) + rows.size()}));
        });
    const std::vector<std::vector<T>> incoming = comm_->exchange(outgoing);
    for (int owner = 0; owner < comm_->size(); ++owner) {
      if (owner == comm_->rank()) continue;
      const T* next = incoming[static_cast<std::size_t>(owner)].data();
      for_each_shared(comm_->rank(), owner, all, partition, [&](Index, Range rows) {
        std::copy_n(next, rows.size() * owned.columns, given.row(rows.begin - first_row(comm_->rank())));
        next += rows.size() * owned.columns;
      });
    }
    return given;
  }

  /// Calls visit(batch, rows of X) for the rows that `owner` owns among those that `giver` has given, numbered
  /// sent.begin … sent.end there.
  template <class Visit>
  void for_each_shared(int giver, int owner, Range sent, const RowPartition& partition, Visit&& visit) const {
    const Index end = first_row(giver + 1);
    const Range given = {std::min(first_row(giver) + sent.begin, end), std::min(first_row(giver) + sent.end, end)};
    if (given.empty()) return;
    for (Index batch = given.begin / partition.batch_rows(); batch <= (given.end - 1) / partition.batch_rows();
         ++batch) {
      const Range piece = partition.piece(batch, owner);
      const Range shared = {std::max(piece.begin, given.begin), std::min(piece.end, given.end)};
      if (!shared.empty()) visit(batch, shared);
    }
  }

  /// Rows of X as numbers among those that this rank has given.
  Range given_range(Range rows) const {
    return {rows.begin - first_row(comm_->rank()), rows.end - first_row(comm_->rank())};
  }
  /// Number in X of the first row that a rank has given.
  Index first_row(int rank) const { return first_rows_[static_cast<std::size_t>(rank)]; }

 private:
  template <Scalar T>
  static void append(std::vector<T>& to, MatrixView<const T> rows) {
    for (Index i = 0; i < rows.rows; ++i) to.insert(to.end(), rows.row(i), rows.row(i) + rows.columns);
  }

  const Communicator* comm_;
  std::vector<Index> first_rows_;  // ranks + 1; number in X of the first row that each rank has given
  Index most_ = 0;
};

}  // namespace scanmf::data
