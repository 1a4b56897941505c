#pragma once

namespace scanmf {

// For the library within a program that is not scanmf's and has other uses for MPI: Python's interpreter, say.

/// True when MPI has been initialised, by whomever.
bool mpi_is_initialised();

/// Initialises MPI (MPI_THREAD_SERIALIZED: any thread, one at a time, may compute) for its own life; does nothing when
/// MPI is initialised already.
class EmbeddedMpi {
 public:
  EmbeddedMpi();
  ~EmbeddedMpi();
  EmbeddedMpi(const EmbeddedMpi&) = delete;
  EmbeddedMpi& operator=(const EmbeddedMpi&) = delete;

 private:
  bool owns_ = false;
};

}  // namespace scanmf
