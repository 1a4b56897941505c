#include "linalg/scalapack.hpp"

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "scanmf/core/error.hpp"

extern "C" {
int Csys2blacs_handle(MPI_Comm comm);
void Cfree_blacs_system_handle(int handle);
void Cblacs_gridinit(int* context, const char* order, int rows, int columns);
void Cblacs_gridexit(int context);
void descinit_(int* descriptor, const int* m, const int* n, const int* mb, const int* nb, const int* first_row,
               const int* first_column, const int* context, const int* lld, int* info);
void psgelqf_(const int* m, const int* n, float* a, const int* ia, const int* ja, const int* desca, float* tau,
              float* work, const int* lwork, int* info);
void pdgelqf_(const int* m, const int* n, double* a, const int* ia, const int* ja, const int* desca, double* tau,
              double* work, const int* lwork, int* info);
void psorglq_(const int* m, const int* n, const int* k, float* a, const int* ia, const int* ja, const int* desca,
              const float* tau, float* work, const int* lwork, int* info);
void pdorglq_(const int* m, const int* n, const int* k, double* a, const int* ia, const int* ja, const int* desca,
              const double* tau, double* work, const int* lwork, int* info);
}

namespace scanmf {
namespace {

/// A row of processes: 1 × ranks.
class ProcessRow {
 public:
  explicit ProcessRow(MPI_Comm comm) : handle_(Csys2blacs_handle(comm)), context_(handle_) {
    int ranks = 1;
    MPI_Comm_size(comm, &ranks);
    Cblacs_gridinit(&context_, "R", 1, ranks);
  }
  ~ProcessRow() {
    Cblacs_gridexit(context_);
    Cfree_blacs_system_handle(handle_);
  }
  ProcessRow(const ProcessRow&) = delete;
  ProcessRow& operator=(const ProcessRow&) = delete;
  int context() const { return context_; }

 private:
  int handle_;
  int context_;
};

void gelqf(int m, int n, float* a, const int* descriptor, float* tau, float* work, int lwork, int* info) {
  constexpr int one = 1;
  psgelqf_(&m, &n, a, &one, &one, descriptor, tau, work, &lwork, info);
}
void gelqf(int m, int n, double* a, const int* descriptor, double* tau, double* work, int lwork, int* info) {
  constexpr int one = 1;
  pdgelqf_(&m, &n, a, &one, &one, descriptor, tau, work, &lwork, info);
}
void orglq(int m, int n, float* a, const int* descriptor, const float* tau, float* work, int lwork, int* info) {
  constexpr int one = 1;
  psorglq_(&m, &n, &m, a, &one, &one, descriptor, tau, work, &lwork, info);
}
void orglq(int m, int n, double* a, const int* descriptor, const double* tau, double* work, int lwork, int* info) {
  constexpr int one = 1;
  pdorglq_(&m, &n, &m, a, &one, &one, descriptor, tau, work, &lwork, info);
}

/// Columns of A that are reduced together. The workspace is so many times the rows of a block, so it stays small where
/// blocks are long and narrow.
Index panel_width(Index columns) { return columns <= 128 ? 8 : 32; }

/// Elements of workspace that p?gelqf and p?orglq ask for, with room to spare (their own answer is a float, which is
/// not exact).
Index workspace(Index block_rows, Index columns) {
  return panel_width(columns) * (block_rows + columns + 3 * panel_width(columns));
}

void check_info(int info, const char* routine) {
  if (info != 0) throw Error(std::string("ScaLAPACK's ") + routine + " failed with info " + std::to_string(info));
}

}  // namespace

bool distributed_qr_fits(Index block_rows, Index columns, int ranks, Index element_size) {
  if (columns < 2) return false;  // the PBLAS take a row of a matrix with a single row for a column
  constexpr Index limit = std::numeric_limits<int>::max();
  return block_rows * ranks <= limit && block_rows * columns * element_size <= limit &&
         workspace(block_rows, columns) * element_size <= limit;
}

template <Scalar T>
void distributed_qr(MPI_Comm comm, MatrixView<T> a, MatrixView<T> r) {
  // A row-major block is the column-major block of the transpose, so QR of A is LQ of Aᵀ (columns × ranks·rows) on a
  // row of processes.
  const ProcessRow processes(comm);
  int rank = 0;
  int ranks = 1;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &ranks);
  const int columns = static_cast<int>(a.columns);
  const int block_rows = static_cast<int>(a.rows);
  const int all_rows = block_rows * ranks;
  const int panel = static_cast<int>(panel_width(columns));
  const int stride = static_cast<int>(a.stride);
  const int context = processes.context();
  constexpr int zero = 0;
  int descriptor[9];
  int info = 0;
  descinit_(descriptor, &columns, &all_rows, &panel, &block_rows, &zero, &zero, &context, &stride, &info);
  check_info(info, "descinit");

  std::vector<T> tau(static_cast<std::size_t>(columns));
  std::vector<T> work(static_cast<std::size_t>(workspace(a.rows, a.columns)));
  gelqf(columns, all_rows, a.data, descriptor, tau.data(), work.data(), static_cast<int>(work.size()), &info);
  check_info(info, "p?gelqf");
  if (rank == 0)
    for (Index i = 0; i < a.columns; ++i)
      for (Index j = 0; j < a.columns; ++j) r(i, j) = i <= j ? a(i, j) : T{0};
  orglq(columns, all_rows, a.data, descriptor, tau.data(), work.data(), static_cast<int>(work.size()), &info);
  check_info(info, "p?orglq");
}

template void distributed_qr(MPI_Comm, MatrixView<float>, MatrixView<float>);
template void distributed_qr(MPI_Comm, MatrixView<double>, MatrixView<double>);

}  // namespace scanmf
