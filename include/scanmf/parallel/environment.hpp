#pragma once

#include <string>

#include "scanmf/core/types.hpp"

namespace scanmf {

/// Initialises MPI (MPI_THREAD_FUNNELED) for its own life; when MPI is initialised already, checks that it grants as
/// much: threads compute while the main thread talks to MPI. Where it does not, all ranks end with a message. One
/// object, at the start of main, before any Communicator.
class MpiEnvironment {
 public:
  MpiEnvironment(int& argc, char**& argv);
  ~MpiEnvironment();
  MpiEnvironment(const MpiEnvironment&) = delete;
  MpiEnvironment& operator=(const MpiEnvironment&) = delete;

  /// Ends every rank at once with this exit status. For a failure that the other ranks cannot learn of.
  [[noreturn]] static void abort(int status);

 private:
  bool owns_ = false;
};

class Communicator;

/// Cores this process may run on (its affinity mask), at least 1.
int available_cores();

/// Collective. Threads for this rank when nobody says how many: OMP_NUM_THREADS if it is set (at most most_threads()),
/// else the cores it may run on, shared with the ranks of the same node that may run there too, and no more than the
/// processor time that the control group grants. At least 1.
int automatic_threads(const Communicator& comm);

/// Threads of a node's ranks, and the cores that they may run on.
struct NodeLoad {
  Index threads = 0;
  Index cores = 0;
};

/// Collective. The node with the most threads a core, when this rank runs `threads` threads.
NodeLoad busiest_node(const Communicator& comm, int threads);

/// Four for each core of the host: with more threads than that everything only takes longer, and with thousands it
/// takes minutes or all memory.
Index most_threads();

/// Brings OMP_NUM_THREADS down to most_threads(), for what runs before set_threads() of linalg/threads.hpp. OpenMP
/// itself takes any number.
void limit_threads();

/// Threads that OMP_NUM_THREADS asks for, whatever OpenMP makes of it; 0 when it is not set.
Index threads_of_environment();

/// Threads of this rank's teams.
int thread_count();

/// Collective. Bytes that this rank can still take: the least that the system, its control groups and Slurm leave to
/// this node's ranks, shared evenly.
Index available_memory(const Communicator& comm);

/// Highest resident memory of this process so far, in bytes.
Index peak_memory();

/// Name and version of the MPI library, in one line.
std::string mpi_library();

}  // namespace scanmf
