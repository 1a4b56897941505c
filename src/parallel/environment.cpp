#include "scanmf/parallel/environment.hpp"

#include <mpi.h>
#include <omp.h>
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>

extern "C" void openblas_set_num_threads(int);

namespace scanmf {

MpiEnvironment::MpiEnvironment(int& argc, char**& argv) {
  int initialised = 0;
  MPI_Initialized(&initialised);
  if (initialised != 0) return;
  int provided = 0;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_FUNNELED, &provided);
  owns_ = true;
}

MpiEnvironment::~MpiEnvironment() {
  if (owns_) MPI_Finalize();
}

void MpiEnvironment::abort(int status) {
  MPI_Abort(MPI_COMM_WORLD, status);
  std::abort();
}

int available_cores() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (sched_getaffinity(0, sizeof mask, &mask) != 0) return 1;
  return std::max(1, CPU_COUNT(&mask));
}

void set_threads(int threads) {
  omp_set_num_threads(std::max(1, threads));
  openblas_set_num_threads(1);
}

int thread_count() { return omp_get_max_threads(); }

Index peak_memory() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<Index>(usage.ru_maxrss) * 1024;
}

}  // namespace scanmf
