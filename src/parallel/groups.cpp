#include "parallel/groups.hpp"

#include "parallel/check_mpi.hpp"

namespace scanmf {
namespace {

/// Group of a rank: the first groups have one rank more where they cannot be equal.
int group_of(int rank, int ranks, int count) {
  return static_cast<int>((static_cast<Index>(rank) * count + count - 1) / ranks);
}

}  // namespace

RankGroups::RankGroups(const Communicator& all, int count)
    : all_(all), count_(count), number_(group_of(all.rank(), all.size(), count)) {
  if (count == 1) return;
  MPI_Comm part = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split(all.get(), number_, all.rank(), &part), "MPI_Comm_split");
  own_ = std::make_unique<Communicator>(part);
  MPI_Comm_free(&part);
}

int RankGroups::root_of(int group) const {
  int rank = 0;
  while (group_of(rank, all_.size(), count_) != group) ++rank;
  return rank;
}

SharedCounter::SharedCounter(const Communicator& comm) {
  const MPI_Aint bytes = comm.is_root() ? static_cast<MPI_Aint>(sizeof(Index)) : 0;
  check_mpi(MPI_Win_allocate(bytes, static_cast<int>(sizeof(Index)), MPI_INFO_NULL, comm.get(), &value_, &window_),
            "MPI_Win_allocate");
  check_mpi(MPI_Win_lock_all(0, window_), "MPI_Win_lock_all");
  if (comm.is_root()) {
    *value_ = 0;
    MPI_Win_sync(window_);
  }
  comm.barrier();
}

SharedCounter::~SharedCounter() {
  MPI_Win_unlock_all(window_);
  MPI_Win_free(&window_);
}

Index SharedCounter::add(Index more) {
  Index value = 0;
  check_mpi(MPI_Fetch_and_op(&more, &value, MPI_INT64_T, 0, 0, MPI_SUM, window_), "MPI_Fetch_and_op");
  check_mpi(MPI_Win_flush(0, window_), "MPI_Win_flush");
  return value;
}

}  // namespace scanmf
