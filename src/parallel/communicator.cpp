#include "scanmf/parallel/communicator.hpp"

#include <algorithm>
#include <climits>

#include "parallel/check_mpi.hpp"
#include "scanmf/core/timer.hpp"

namespace scanmf {
namespace {

template <class T>
MPI_Datatype mpi_type() {
  if constexpr (std::is_same_v<T, float>) return MPI_FLOAT;
  if constexpr (std::is_same_v<T, double>) return MPI_DOUBLE;
  if constexpr (std::is_same_v<T, std::int64_t>) return MPI_INT64_T;
  if constexpr (std::is_same_v<T, std::int32_t>) return MPI_INT32_T;
  if constexpr (std::is_same_v<T, char>) return MPI_CHAR;
}

/// Calls body(begin, length) for consecutive pieces of `count` elements, none longer than `limit`.
template <class F>
void in_pieces(Index count, Index limit, F&& body) {
  for (Index begin = 0; begin < count; begin += limit) body(begin, static_cast<int>(std::min(limit, count - begin)));
}

Index longest_slice(std::span<const Index> offsets) {
  Index longest = 0;
  for (std::size_t r = 0; r + 1 < offsets.size(); ++r) longest = std::max(longest, offsets[r + 1] - offsets[r]);
  return longest;
}

}  // namespace

class Communicator::Account {
 public:
  Account(const Communicator& comm, Index bytes) : comm_(comm) { comm_.bytes_ += comm_.size_ > 1 ? bytes : 0; }
  ~Account() { comm_.seconds_ += timer_.seconds(); }
  Account(const Account&) = delete;
  Account& operator=(const Account&) = delete;

 private:
  const Communicator& comm_;
  Timer timer_;
};

Communicator::Communicator(MPI_Comm parent, Index message_limit) : message_limit_(message_limit) {
  check_mpi(MPI_Comm_dup(parent, &comm_), "MPI_Comm_dup");
  MPI_Comm_set_errhandler(comm_, MPI_ERRORS_RETURN);
  MPI_Comm_rank(comm_, &rank_);
  MPI_Comm_size(comm_, &size_);
}

Communicator::~Communicator() {
  int finalised = 0;
  MPI_Finalized(&finalised);
  if (finalised == 0) MPI_Comm_free(&comm_);
}

template <class T>
void Communicator::allreduce_sum(std::span<T> values) const {
  const Account account(*this, static_cast<Index>(values.size_bytes()));
  if (size_ == 1) return;
  in_pieces(static_cast<Index>(values.size()), message_limit_, [&](Index begin, int length) {
    check_mpi(MPI_Allreduce(MPI_IN_PLACE, values.data() + begin, length, mpi_type<T>(), MPI_SUM, comm_),
              "MPI_Allreduce");
  });
}

template <class T>
void Communicator::allreduce_max(std::span<T> values) const {
  const Account account(*this, static_cast<Index>(values.size_bytes()));
  if (size_ == 1) return;
  in_pieces(static_cast<Index>(values.size()), message_limit_, [&](Index begin, int length) {
    check_mpi(MPI_Allreduce(MPI_IN_PLACE, values.data() + begin, length, mpi_type<T>(), MPI_MAX, comm_),
              "MPI_Allreduce");
  });
}

template <class T>
void Communicator::allgather(std::span<T> all, std::span<const Index> offsets) const {
  const Account account(*this, static_cast<Index>(all.size_bytes()));
  if (size_ == 1) return;
  if (static_cast<Index>(all.size()) <= message_limit_) {
    std::vector<int> counts;
    std::vector<int> places;
    for (std::size_t r = 0; r < static_cast<std::size_t>(size_); ++r) {
      counts.push_back(static_cast<int>(offsets[r + 1] - offsets[r]));
      places.push_back(static_cast<int>(offsets[r]));
    }
    check_mpi(MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, all.data(), counts.data(), places.data(),
                             mpi_type<T>(), comm_),
              "MPI_Allgatherv");
    return;
  }
  // Displacements are ints, so longer arrays go slice by slice, a window of each at a time.
  in_pieces(longest_slice(offsets), message_limit_, [&](Index at, int window) {
    for (int r = 0; r < size_; ++r) {
      const Index begin = offsets[static_cast<std::size_t>(r)] + at;
      const Index length = std::min<Index>(window, offsets[static_cast<std::size_t>(r) + 1] - begin);
      if (length > 0)
        check_mpi(MPI_Bcast(all.data() + begin, static_cast<int>(length), mpi_type<T>(), r, comm_), "MPI_Bcast");
    }
  });
}

template <class T>
void Communicator::broadcast(std::span<T> values, int root) const {
  const Account account(*this, static_cast<Index>(values.size_bytes()));
  if (size_ == 1) return;
  in_pieces(static_cast<Index>(values.size()), message_limit_, [&](Index begin, int length) {
    check_mpi(MPI_Bcast(values.data() + begin, length, mpi_type<T>(), root, comm_), "MPI_Bcast");
  });
}

std::string Communicator::broadcast(std::string text, int root) const {
  Index length = static_cast<Index>(text.size());
  broadcast(std::span<Index>(&length, 1), root);
  text.resize(static_cast<std::size_t>(length));
  broadcast(std::span<char>(text), root);
  return text;
}

std::vector<std::string> Communicator::allgather(const std::string& text) const {
  const std::vector<Index> lengths = allgather(static_cast<Index>(text.size()));
  std::vector<Index> offsets(lengths.size() + 1, 0);
  for (std::size_t r = 0; r < lengths.size(); ++r) offsets[r + 1] = offsets[r] + lengths[r];
  std::string all(static_cast<std::size_t>(offsets.back()), '\0');
  std::copy(text.begin(), text.end(), all.begin() + offsets[static_cast<std::size_t>(rank_)]);
  allgather(std::span<char>(all), offsets);
  std::vector<std::string> texts;
  for (std::size_t r = 0; r < lengths.size(); ++r)
    texts.push_back(all.substr(static_cast<std::size_t>(offsets[r]), static_cast<std::size_t>(lengths[r])));
  return texts;
}

template <class T>
std::vector<T> Communicator::allgather(T value) const {
  std::vector<T> all(static_cast<std::size_t>(size_));
  const Account account(*this, static_cast<Index>(all.size() * sizeof(T)));
  check_mpi(MPI_Allgather(&value, 1, mpi_type<T>(), all.data(), 1, mpi_type<T>(), comm_), "MPI_Allgather");
  return all;
}

template <class T>
std::vector<std::vector<T>> Communicator::exchange(const std::vector<std::vector<T>>& blocks) const {
  std::vector<Index> outgoing;
  for (const auto& block : blocks) outgoing.push_back(static_cast<Index>(block.size()));
  std::vector<Index> incoming(outgoing.size());
  check_mpi(MPI_Alltoall(outgoing.data(), 1, MPI_INT64_T, incoming.data(), 1, MPI_INT64_T, comm_), "MPI_Alltoall");
  std::vector<std::vector<T>> received;
  for (const Index length : incoming) received.emplace_back(static_cast<std::size_t>(length));
  std::vector<Message<const T>> sent;
  std::vector<Message<T>> expected;
  for (int step = 0; step < size_; ++step) {
    const int from = (rank_ - step + size_) % size_;
    const int to = (rank_ + step) % size_;
    sent.push_back({to, blocks[static_cast<std::size_t>(to)]});
    expected.push_back({from, received[static_cast<std::size_t>(from)]});
  }
  exchange<T>(sent, expected);
  return received;
}

template <class T>
void Communicator::exchange(std::span<const Message<const T>> outgoing, std::span<const Message<T>> incoming) const {
  Index bytes = 0;
  for (const Message<T>& message : incoming) bytes += static_cast<Index>(message.values.size_bytes());
  const Account account(*this, bytes);
  std::vector<MPI_Request> requests;
  for (const auto& [rank, values] : incoming)
    in_pieces(
        static_cast<Index>(values.size()), message_limit_, [&, from = rank, to = values.data()](Index at, int length) {
          check_mpi(MPI_Irecv(to + at, length, mpi_type<T>(), from, 0, comm_, &requests.emplace_back()), "MPI_Irecv");
        });
  for (const auto& [rank, values] : outgoing)
    in_pieces(
        static_cast<Index>(values.size()), message_limit_, [&, to = rank, from = values.data()](Index at, int length) {
          check_mpi(MPI_Isend(from + at, length, mpi_type<T>(), to, 0, comm_, &requests.emplace_back()), "MPI_Isend");
        });
  check_mpi(MPI_Waitall(static_cast<int>(requests.size()), requests.data(), MPI_STATUSES_IGNORE), "MPI_Waitall");
}

template <class T>
void Communicator::send(std::span<const T> values, int to) const {
  const Account account(*this, static_cast<Index>(values.size_bytes()));
  in_pieces(static_cast<Index>(values.size()), message_limit_, [&](Index begin, int length) {
    check_mpi(MPI_Send(values.data() + begin, length, mpi_type<T>(), to, 0, comm_), "MPI_Send");
  });
}

template <class T>
void Communicator::receive(std::span<T> values, int from) const {
  const Account account(*this, static_cast<Index>(values.size_bytes()));
  in_pieces(static_cast<Index>(values.size()), message_limit_, [&](Index begin, int length) {
    check_mpi(MPI_Recv(values.data() + begin, length, mpi_type<T>(), from, 0, comm_, MPI_STATUS_IGNORE), "MPI_Recv");
  });
}

void Communicator::barrier() const { check_mpi(MPI_Barrier(comm_), "MPI_Barrier"); }

void Communicator::agree(const std::function<void()>& work) const {
  std::string message;
  int status = static_cast<int>(ExitStatus::failed);
  bool failed = true;
  try {
    work();
    failed = false;
  } catch (const Error& error) {
    message = error.what();
    status = static_cast<int>(error.status());
  } catch (const std::bad_alloc&) {
    message = "out of memory on rank " + std::to_string(rank_) + ": use more ranks or nodes, or a smaller --memory";
  } catch (const std::exception& error) {
    message = error.what();
  } catch (...) {  // whatever it is, the other ranks are waiting for this one
    message = "unknown failure on rank " + std::to_string(rank_);
  }
  const Index lowest = max<Index>(failed ? size_ - rank_ : 0);
  if (lowest == 0) return;
  const int rank = size_ - static_cast<int>(lowest);
  message = broadcast(message, rank);
  broadcast(std::span<int>(&status, 1), rank);
  throw AgreedError(message, static_cast<ExitStatus>(status));
}

std::vector<Index> slice_offsets(Index count, int ranks, Index grain) {
  const Index grains = (count + grain - 1) / grain;
  std::vector<Index> offsets;
  for (int r = 0; r <= ranks; ++r) offsets.push_back(std::min(count, grains * r / ranks * grain));
  return offsets;
}

template void Communicator::allreduce_sum(std::span<float>) const;
template void Communicator::allreduce_sum(std::span<double>) const;
template void Communicator::allreduce_sum(std::span<Index>) const;
template void Communicator::allreduce_sum(std::span<int>) const;
template void Communicator::allreduce_max(std::span<float>) const;
template void Communicator::allreduce_max(std::span<double>) const;
template void Communicator::allreduce_max(std::span<Index>) const;
template void Communicator::allreduce_max(std::span<int>) const;
template void Communicator::allgather(std::span<float>, std::span<const Index>) const;
template void Communicator::allgather(std::span<double>, std::span<const Index>) const;
template void Communicator::allgather(std::span<char>, std::span<const Index>) const;
template void Communicator::allgather(std::span<Index>, std::span<const Index>) const;
template void Communicator::broadcast(std::span<float>, int) const;
template void Communicator::broadcast(std::span<double>, int) const;
template void Communicator::broadcast(std::span<Index>, int) const;
template void Communicator::broadcast(std::span<int>, int) const;
template void Communicator::broadcast(std::span<char>, int) const;
template std::vector<Index> Communicator::allgather(Index) const;
template std::vector<double> Communicator::allgather(double) const;
template void Communicator::send(std::span<const double>, int) const;
template void Communicator::receive(std::span<double>, int) const;
template void Communicator::exchange(std::span<const Message<const float>>, std::span<const Message<float>>) const;
template void Communicator::exchange(std::span<const Message<const double>>, std::span<const Message<double>>) const;
template void Communicator::exchange(std::span<const Message<const int>>, std::span<const Message<int>>) const;
template void Communicator::exchange(std::span<const Message<const Index>>, std::span<const Message<Index>>) const;
template std::vector<std::vector<Index>> Communicator::exchange(const std::vector<std::vector<Index>>&) const;
template std::vector<std::vector<int>> Communicator::exchange(const std::vector<std::vector<int>>&) const;
template std::vector<std::vector<float>> Communicator::exchange(const std::vector<std::vector<float>>&) const;
template std::vector<std::vector<double>> Communicator::exchange(const std::vector<std::vector<double>>&) const;

}  // namespace scanmf
