#include "scanmf/parallel/link_speed.hpp"

#include <algorithm>
#include <limits>
#include <vector>

#include "scanmf/core/timer.hpp"

namespace scanmf {
namespace {

/// Seconds of one message of `out.size()` bytes around the ring: the best of several series, of the slowest rank.
double ring_seconds(const Communicator& comm, const std::vector<char>& out, std::vector<char>& in, int series,
                    int messages) {
  const int next = (comm.rank() + 1) % comm.size();
  const int before = (comm.rank() + comm.size() - 1) % comm.size();
  const auto length = static_cast<int>(out.size());
  double best = std::numeric_limits<double>::infinity();
  for (int s = 0; s < series; ++s) {
    comm.barrier();
    const Timer timer;
    for (int i = 0; i < messages; ++i)
      MPI_Sendrecv(out.data(), length, MPI_CHAR, next, 0, in.data(), length, MPI_CHAR, before, 0, comm.get(),
                   MPI_STATUS_IGNORE);
    best = std::min(best, comm.max(timer.seconds()) / messages);
  }
  return best;
}

}  // namespace

LinkSpeed measure_link_speed(const Communicator& comm) {
  if (comm.size() == 1) return {};
  constexpr std::size_t few_bytes = 8;
  constexpr std::size_t many_bytes = std::size_t{4} << 20;
  std::vector<char> out(few_bytes);
  std::vector<char> in(few_bytes);
  LinkSpeed speed;
  speed.seconds_a_message = ring_seconds(comm, out, in, 3, 10);
  out.resize(many_bytes);
  in.resize(many_bytes);
  const double seconds = ring_seconds(comm, out, in, 4, 1);
  // On a busy node a short message may have taken longer than this one: it counts for no more than half of it.
  speed.bytes_per_second = static_cast<double>(many_bytes) / (seconds - std::min(speed.seconds_a_message, seconds / 2));
  return speed;
}

}  // namespace scanmf
