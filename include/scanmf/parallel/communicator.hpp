#pragma once

#include <mpi.h>

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "scanmf/core/error.hpp"
#include "scanmf/core/types.hpp"

namespace scanmf {

/// Elements a single MPI call takes: large enough for full bandwidth; 1 GiB of doubles, because MPI libraries have had
/// trouble with more than INT_MAX elements and with more than INT_MAX bytes.
constexpr Index default_message_limit = Index{1} << 27;

/// Elements that go to another rank, or come from it.
template <class T>
struct Message {
  int rank = 0;
  std::span<T> values;
};

/// A private duplicate of an MPI communicator. Messages of any length; MPI errors become Error.
/// All members but rank(), size(), send(), receive(), bytes() and seconds() are collective: every rank calls them, in
/// the same order.
///
///   allreduce_sum      rank 0: a   rank 1: b      ->  a+b            a+b
///   allgather                 [h0]        [h1]    ->  [h0 h1]        [h0 h1]
///
/// Sums are taken in an order that MPI chooses; where rounding matters, parallel/ordered_sum.hpp is what to use.
class Communicator {
 public:
  /// Collective over `parent`. message_limit: longer messages are sent in pieces of so many elements.
  explicit Communicator(MPI_Comm parent = MPI_COMM_WORLD, Index message_limit = default_message_limit);
  ~Communicator();
  Communicator(const Communicator&) = delete;
  Communicator& operator=(const Communicator&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  bool is_root() const { return rank_ == 0; }
  MPI_Comm get() const { return comm_; }

  /// Collective. In place, element by element. T = float, double, Index, int.
  template <class T>
  void allreduce_sum(std::span<T> values) const;
  template <class T>
  void allreduce_max(std::span<T> values) const;
  template <class T>
  T sum(T value) const {
    allreduce_sum(std::span<T>(&value, 1));
    return value;
  }
  template <class T>
  T max(T value) const {
    allreduce_max(std::span<T>(&value, 1));
    return value;
  }

  /// Collective. Rank r contributes all[offsets[r] … offsets[r+1]), every rank receives the whole.
  /// offsets: size() + 1 ascending element numbers, the same on every rank; empty slices are allowed.
  template <class T>
  void allgather(std::span<T> all, std::span<const Index> offsets) const;

  /// Collective. `values` of rank `root`, of the same length everywhere.
  template <class T>
  void broadcast(std::span<T> values, int root = 0) const;
  /// Collective. Strings may differ in length; all ranks return root's.
  std::string broadcast(std::string text, int root = 0) const;
  /// Collective. The strings of all ranks in rank order, on every rank.
  std::vector<std::string> allgather(const std::string& text) const;
  /// Collective. One value of each rank, in rank order, on every rank. T = Index, double.
  template <class T>
  std::vector<T> allgather(T value) const;
  /// Collective. Rank r sends blocks[s] to rank s and returns what it received, one vector a sender. T = Index, int32,
  /// float, double.
  template <class T>
  std::vector<std::vector<T>> exchange(const std::vector<std::vector<T>>& blocks) const;
  /// Collective. Messages whose lengths both sides know; those from one rank to another arrive in the order in which
  /// they are listed. Same T.
  template <class T>
  void exchange(std::span<const Message<const T>> outgoing, std::span<const Message<T>> incoming) const;
  /// From one rank to another, which must receive as many. Both wait. T = double.
  template <class T>
  void send(std::span<const T> values, int to) const;
  template <class T>
  void receive(std::span<T> values, int from) const;
  void barrier() const;

  /// Collective. Runs `work` on every rank. When it throws anywhere, every rank throws AgreedError with the message of
  /// the lowest rank that failed. It must not communicate, unless nothing fails on one rank alone before it does
  /// (DataSource::visit).
  void agree(const std::function<void()>& work) const;

  /// Bytes this rank handed to or received from collectives so far, and seconds spent in them.
  Index bytes() const { return bytes_; }
  double seconds() const { return seconds_; }

 private:
  class Account;  // adds to bytes_ and seconds_

  MPI_Comm comm_ = MPI_COMM_NULL;
  Index message_limit_;
  int rank_ = 0;
  int size_ = 1;
  mutable Index bytes_ = 0;
  mutable double seconds_ = 0;
};

/// Boundaries of `ranks` nearly equal slices of `count` things, in multiples of `grain` (the last slice may be
/// shorter). No MPI.
std::vector<Index> slice_offsets(Index count, int ranks, Index grain = 1);

}  // namespace scanmf
