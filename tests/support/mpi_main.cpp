#include <gtest/gtest.h>
#include <mpi.h>

#include "scanmf/parallel/environment.hpp"

/// Runs the tests on every rank; rank 0 alone prints, and the program fails when a test fails on any rank.
int main(int argc, char** argv) {
  const scanmf::MpiEnvironment mpi(argc, argv);
  ::testing::InitGoogleTest(&argc, argv);
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  auto& listeners = ::testing::UnitTest::GetInstance()->listeners();
  if (rank != 0) delete listeners.Release(listeners.default_result_printer());
  int failed = RUN_ALL_TESTS();
  MPI_Allreduce(MPI_IN_PLACE, &failed, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  return failed;
}
