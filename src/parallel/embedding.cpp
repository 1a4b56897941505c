#include "scanmf/parallel/embedding.hpp"

#include <mpi.h>

#include "scanmf/core/team.hpp"
#include "scanmf/parallel/environment.hpp"

extern "C" void openblas_set_num_threads(int);
extern "C" int openblas_get_num_threads();

namespace scanmf {

bool mpi_is_initialised() {
  int initialised = 0;
  MPI_Initialized(&initialised);
  return initialised != 0;
}

EmbeddedMpi::EmbeddedMpi() {
  if (mpi_is_initialised()) return;
  int provided = 0;
  MPI_Init_thread(nullptr, nullptr, MPI_THREAD_SERIALIZED, &provided);
  owns_ = true;
}

EmbeddedMpi::~EmbeddedMpi() {
  int finalised = 0;
  MPI_Finalized(&finalised);
  if (owns_ && finalised == 0) MPI_Finalize();
}

ThreadScope::ThreadScope(int threads) : openmp_(Team().size()), blas_(openblas_get_num_threads()) {
  set_threads(threads);
}

ThreadScope::~ThreadScope() {
  use_threads(openmp_);
  openblas_set_num_threads(blas_);
}

}  // namespace scanmf
