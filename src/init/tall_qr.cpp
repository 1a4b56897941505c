#include "init/tall_qr.hpp"

#include <algorithm>

#include "linalg/lapack.hpp"
#include "linalg/scalapack.hpp"

namespace scanmf {
namespace {

/// Each rank factors its block, rank 0 their R factors one below the other; Q is the product.
template <Scalar T>
void qr_by_ranks(const Communicator& comm, Matrix<T>& block, Matrix<T>& r) {
  const Index columns = block.columns();
  const Index ranks = comm.size();
  Matrix<T> stack(ranks * columns, columns);
  const MatrixView<T> own = stack.view().middle_rows({comm.rank() * columns, (comm.rank() + 1) * columns});
  comm.agree([&] { qr(block.view(), own); });
  comm.allgather(stack.span(), slice_offsets(ranks * columns * columns, comm.size(), columns * columns));
  comm.agree([&] {
    if (comm.is_root()) qr(stack.view(), r.view());
  });
  comm.broadcast(stack.span());
  multiply_in_place<T>(block.view(), own);
}

}  // namespace

template <Scalar T>
Matrix<T> tall_block(const Communicator& comm, Index local_rows, Index columns) {
  const Index rows = std::max(comm.max(local_rows), columns);
  Matrix<T> block;
  comm.agree([&] { block = Matrix<T>(rows, columns, T{0}); });
  return block;
}

template <Scalar T>
Matrix<T> tall_qr(const Communicator& comm, Matrix<T>& block, QrMethod method) {
  Matrix<T> r(block.columns(), block.columns());
  if (method == QrMethod::automatic)
    method = distributed_qr_fits(block.rows(), block.columns(), comm.size(), sizeof(T)) ? QrMethod::scalapack
                                                                                        : QrMethod::tree;
  if (method == QrMethod::scalapack)
    distributed_qr(comm.get(), block.view(), r.view());
  else
    qr_by_ranks(comm, block, r);
  comm.broadcast(r.span());
  return r;
}

template Matrix<float> tall_block(const Communicator&, Index, Index);
template Matrix<double> tall_block(const Communicator&, Index, Index);
template Matrix<float> tall_qr(const Communicator&, Matrix<float>&, QrMethod);
template Matrix<double> tall_qr(const Communicator&, Matrix<double>&, QrMethod);

}  // namespace scanmf
