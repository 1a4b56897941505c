#pragma once

#include <mpi.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace scanmf::test {

/// Collective. A fresh folder that all ranks share, removed with everything in it at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    char name[] = "/tmp/scanmf_test_XXXXXX";
    MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
    if (rank_ == 0 && mkdtemp(name) == nullptr) MPI_Abort(MPI_COMM_WORLD, 1);
    MPI_Bcast(name, sizeof name, MPI_CHAR, 0, MPI_COMM_WORLD);
    path_ = name;
  }
  ~TemporaryFolder() {
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank_ == 0) std::filesystem::remove_all(path_);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string file(const std::string& name) const { return path_ + "/" + name; }

  /// Collective. Runs `work` on rank 0 when all ranks have come here, and lets them wait for it.
  template <class F>
  void on_root(F&& work) const {
    MPI_Barrier(MPI_COMM_WORLD);
    if (rank_ == 0) work();
    MPI_Barrier(MPI_COMM_WORLD);
  }

 private:
  int rank_ = 0;
  std::string path_;
};

}  // namespace scanmf::test
