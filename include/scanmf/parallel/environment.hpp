#pragma once

#include "scanmf/core/types.hpp"

namespace scanmf {

/// Initialises MPI (MPI_THREAD_FUNNELED) for its own life; does nothing when MPI is initialised already.
/// One object, at the start of main, before any Communicator.
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

/// Cores this process may run on (affinity mask and OMP_NUM_THREADS-free), at least 1.
int available_cores();

/// Sets the number of OpenMP threads of this rank and keeps BLAS single-threaded. 0 = available_cores()
/// divided by the ranks that share them (given by `ranks_on_same_cores`).
void set_threads(int threads);

/// Threads that a parallel region of this rank uses.
int thread_count();

/// Highest resident memory of this process so far, in bytes.
Index peak_memory();

}  // namespace scanmf
