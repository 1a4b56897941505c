#include <cstdio>

#include "scanmf/data/matrix_file.hpp"
#include "scanmf/estimator/estimator.hpp"
#include "scanmf/parallel/environment.hpp"

int main(int argc, char** argv) {
  const scanmf::MpiEnvironment mpi(argc, argv);
  const scanmf::Communicator comm;  // all ranks; or hand it a communicator of your own

  const auto description = scanmf::describe_matrix(comm, argv[1], "NMF");
  const auto x = scanmf::load_matrix<double>(comm, description);  // each rank reads its own rows

  scanmf::Parameters parameters;  // scikit-learn's names and defaults
  parameters.set("n_components", "3");
  parameters.set("init", "random");
  parameters.alpha_W = 1e-4;

  const auto model = scanmf::fit(*x, parameters, 0);  // seed 0
  // model.factors.W: this rank's rows of W;  model.factors.Ht: H transposed, on every rank
  const auto w = scanmf::transform(*x, model.factors.Ht, parameters, 0);
  if (comm.is_root())
    std::printf("%lld components, %lld iterations, error %.6f, %lld rows of W on rank 0\n", static_cast<long long>(model.n_components),
                static_cast<long long>(model.n_iter), model.reconstruction_err, static_cast<long long>(w.rows()));
}
