#include "scanmf/parallel/environment.hpp"

#include <mpi.h>
#include <omp.h>
#include <sched.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "scanmf/parallel/communicator.hpp"

extern "C" void openblas_set_num_threads(int);
extern "C" char* openblas_get_config();

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

int automatic_threads(const Communicator& comm) {
  constexpr int bytes = sizeof(cpu_set_t);
  cpu_set_t own;
  CPU_ZERO(&own);
  const bool known = sched_getaffinity(0, sizeof own, &own) == 0;
  MPI_Comm node = MPI_COMM_NULL;
  MPI_Comm_split_type(comm.get(), MPI_COMM_TYPE_SHARED, comm.rank(), MPI_INFO_NULL, &node);
  int ranks = 1;
  MPI_Comm_size(node, &ranks);
  std::vector<cpu_set_t> masks(static_cast<std::size_t>(ranks));
  MPI_Allgather(&own, bytes, MPI_BYTE, masks.data(), bytes, MPI_BYTE, node);
  MPI_Comm_free(&node);
  if (std::getenv("OMP_NUM_THREADS") != nullptr) return omp_get_max_threads();
  if (!known) return 1;
  const auto sharing = std::count_if(masks.begin(), masks.end(), [&own](const cpu_set_t& mask) {
    cpu_set_t common;
    CPU_AND(&common, &own, &mask);
    return CPU_COUNT(&common) > 0;
  });
  return std::max(1, CPU_COUNT(&own) / std::max(1, static_cast<int>(sharing)));
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

std::string blas_library() {
  const std::string all = openblas_get_config();  // "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH …"
  return all.substr(0, all.find(' ', all.find(' ') + 1));
}

std::string mpi_library() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING];
  int length = 0;
  MPI_Get_library_version(text, &length);
  const std::string all(text, static_cast<std::size_t>(length));
  return all.substr(0, all.find_first_of(",\n"));  // Open MPI adds package and build, MPICH its configuration
}

}  // namespace scanmf
