#include "parallel/launcher.hpp"

#include <algorithm>
#include <cstdlib>

#include "scanmf/parallel/communicator.hpp"

namespace scanmf {
namespace {

/// What a launcher tells each process: the number of all and its own.
struct Told {
  const char* size;
  const char* rank;
};

// Open MPI; MPICH, Intel MPI, MVAPICH (hydra); srun.
constexpr Told launchers[] = {{"OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"},
                              {"PMI_SIZE", "PMI_RANK"},
                              {"SLURM_STEP_NUM_TASKS", "SLURM_PROCID"}};

int number_in_environment(const char* name) {
  const char* const text = std::getenv(name);
  return text == nullptr ? 0 : std::atoi(text);
}

}  // namespace

int strangers(const Communicator& comm) { return comm.size() == 1 ? strangers() : 0; }

int strangers() {
  int most = 0;
  for (const Told& told : launchers)
    if (number_in_environment(told.rank) == 0) most = std::max(most, number_in_environment(told.size));
  return most > 1 ? most : 0;
}

bool is_launched() {
  // Of srun a process of a job script has such variables, too, though it is no rank: those of PMI tell.
  constexpr const char* of_ranks[] = {"OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK"};
  return std::ranges::any_of(of_ranks, [](const char* name) { return std::getenv(name) != nullptr; });
}

}  // namespace scanmf
