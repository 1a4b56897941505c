#include "scanmf/parallel/embedding.hpp"

#include <mpi.h>

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

}  // namespace scanmf
