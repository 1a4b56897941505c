#pragma once

namespace scanmf {

class Communicator;

/// How many processes a launcher of another MPI (or srun without --mpi) has started beside this one, this one included,
/// that do not know of one another: each is alone and does all the work. Told by what mpirun, mpiexec and srun leave in
/// the environment. 0 when all is well, and in all of the processes but the first.
int strangers(const Communicator& comm);
/// The same for a process that is alone whatever started it.
int strangers();

/// Whether a launcher has started this process as one of its ranks. To be asked before MPI is initialised, too.
bool is_launched();

}  // namespace scanmf
