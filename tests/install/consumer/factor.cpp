#include <cstdio>

#include "scanmf/estimator/decomposition.hpp"
#include "scanmf/parallel/environment.hpp"
#include "scanmf/parallel/run_ranks.hpp"

int main(int argc, char** argv) {
  const scanmf::MpiEnvironment mpi(argc, argv);
  const scanmf::Communicator comm;
  return scanmf::run_ranks(comm, "factor", [&] {
    scanmf::Parameters parameters;
    parameters.n_components = 10;
    parameters.random_state = 0;
    scanmf::NMF<float> nmf(comm, parameters);
    const auto x = nmf.open("X.h5");       // each rank reads its own rows
    const auto W = nmf.fit_transform(*x);  // and has its own rows of W
    if (comm.is_root())
      std::printf("%d iterations, error %.2f\n", static_cast<int>(nmf.n_iter()), nmf.reconstruction_err());
    return 0;
  });
}
