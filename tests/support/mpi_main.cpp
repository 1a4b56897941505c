#include <gtest/gtest.h>
#include <mpi.h>

#include <cstdio>
#include <string>

#include "parallel/launcher.hpp"
#include "scanmf/parallel/environment.hpp"

namespace {

/// Prints the failures of a rank other than 0, whose default printer says nothing. At once, not gathered at the end of
/// the test: the other ranks may wait for this one by then, and would not come.
class FailuresOfRank final : public ::testing::EmptyTestEventListener {
 public:
  explicit FailuresOfRank(int rank) : rank_(rank) {}

  void OnTestStart(const ::testing::TestInfo& test) override {
    test_ = std::string(test.test_suite_name()) + "." + test.name();
  }

  /// GoogleTest holds its lock here: it may not be asked for the test.
  void OnTestPartResult(const ::testing::TestPartResult& result) override {
    if (!result.failed()) return;
    std::fprintf(stderr, "rank %d, %s, %s:%d: Failure\n%s\n", rank_, test_.c_str(),
                 result.file_name() != nullptr ? result.file_name() : "", result.line_number(), result.summary());
    std::fflush(stderr);
  }

 private:
  int rank_;
  std::string test_;
};

}  // namespace

/// Runs the tests on every rank; rank 0 prints, the others only what fails, and the program fails when a test fails on
/// any rank.
int main(int argc, char** argv) {
  const scanmf::MpiEnvironment mpi(argc, argv);
  ::testing::InitGoogleTest(&argc, argv);
  int rank = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  if (int size = 0; MPI_Comm_size(MPI_COMM_WORLD, &size) == MPI_SUCCESS && size == 1 && scanmf::strangers() > 1) {
    std::fprintf(stderr, "every process is alone: the launcher belongs to another MPI than %s\n",
                 scanmf::mpi_library().c_str());
    return 1;
  }
  auto& listeners = ::testing::UnitTest::GetInstance()->listeners();
  if (rank != 0) {
    delete listeners.Release(listeners.default_result_printer());
    listeners.Append(new FailuresOfRank(rank));  // which GoogleTest then owns
  }
  int failed = RUN_ALL_TESTS();
  MPI_Allreduce(MPI_IN_PLACE, &failed, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  return failed;
}
