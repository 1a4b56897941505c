// write_models FILE: writes one checkpoint after the other until it is killed; generation g is full of the number g.
#include <cstdlib>

#include "scanmf/model/checkpoint.hpp"
#include "scanmf/parallel/environment.hpp"

int main(int argc, char** argv) {
  using namespace scanmf;
  const MpiEnvironment mpi(argc, argv);
  const Communicator comm;
  constexpr Index rows = 100000;
  constexpr Index k = 10;
  const RowPartition partition(rows, rows, 64, 1, comm.size());
  Checkpoint checkpoint(comm, argv[1]);
  const auto loaded = checkpoint.load();
  for (Index generation = loaded ? loaded->header.n_iter + 1 : 1;; ++generation) {
    ModelHeader header;
    header.n_components = k;
    header.n_features_in = 1000;
    header.n_samples = rows;
    header.n_iter = generation;
    const Matrix<double> Ht(header.n_features_in, k, static_cast<double>(generation));
    const Matrix<double> W(partition.local_rows(comm.rank()), k, static_cast<double>(generation));
    checkpoint.save<double>(header, {&Ht, &W, &partition, {}});
  }
}
