#include <cstdio>

#include "scanmf/estimator/decomposition.hpp"
#include "scanmf/parallel/environment.hpp"
#include "scanmf/parallel/run_ranks.hpp"

int factor(const scanmf::Communicator& comm, const char* file) {
  scanmf::Parameters parameters;  // scikit-learn's names and defaults
  parameters.n_components = 3;
  parameters.init = scanmf::Init::random;
  parameters.random_state = 0;
  scanmf::NMF<double> nmf(comm, parameters);
  nmf.set_params({{"max_iter", "500"}, {"alpha_W", "0.01"}});

  const auto x = nmf.open(file);                   // each rank reads its own rows
  const auto W = nmf.fit_transform(*x);            // this rank's rows of W
  const auto H = nmf.components();                 // 3 x n, on every rank
  const auto X = nmf.inverse_transform(W.view());  // this rank's rows of W·H

  // Rows of your own, in memory: each rank hands in as many as it has, and gets the rows of W that belong to them.
  const auto again = nmf.transform(X.view());

  if (comm.is_root())
    std::printf("%d iterations, error %.6f, H is %d x %d; rank 0 has %d rows of W, W(0, 0) = %.6f, again %.6f\n",
                static_cast<int>(nmf.n_iter()), nmf.reconstruction_err(), static_cast<int>(H.rows()),
                static_cast<int>(H.columns()), static_cast<int>(W.rows()), W(0, 0), again(0, 0));
  return 0;
}

int main(int argc, char** argv) {
  const scanmf::MpiEnvironment mpi(argc, argv);
  const scanmf::Communicator comm;  // all ranks; or hand it a communicator of your own
  // An error is one line and the exit status, on all ranks: "parts: error: cannot open file '…'".
  return scanmf::run_ranks(comm, "parts", [&] { return factor(comm, argc > 1 ? argv[1] : "X.h5"); });
}
