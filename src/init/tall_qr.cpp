#include "init/tall_qr.hpp"

#include <algorithm>

#include "linalg/lapack.hpp"
#include "linalg/scalapack.hpp"

namespace scanmf {
namespace {

/// Each rank factors its block, rank 0 the R factors one below the other; Q is the product.
///
///     [ A0 ]   [ Q0       ] [ R0 ]   [ Q0       ] [ S0 ]
///     [ A1 ] = [    Q1    ] [ R1 ] = [    Q1    ] [ S1 ] R
template <Scalar T>
void tree_qr(const Communicator& comm, Matrix<T>& block, Matrix<T>& r) {
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
  constexpr Index rows_at_once = 4096;
  Matrix<T> part(std::min(rows_at_once, block.rows()), columns);
  for (Index begin = 0; begin < block.rows(); begin += rows_at_once) {
    const MatrixView<T> rows = block.view().middle_rows({begin, std::min(begin + rows_at_once, block.rows())});
    std::copy_n(rows.data, rows.rows * columns, part.data());
    multiply<T>(part.view().middle_rows({0, rows.rows}), own, rows);
  }
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
    method = distributed_qr_fits(block.rows(), block.columns(), comm.size(), sizeof(T)) ? QrMethod::scalapack : QrMethod::tree;
  if (method == QrMethod::scalapack)
    distributed_qr(comm.get(), block.view(), r.view());
  else
    tree_qr(comm, block, r);
  comm.broadcast(r.span());
  return r;
}

template <Scalar T>
Matrix<T> sum_and_qr(const Communicator& comm, Matrix<T>& terms) {
  const Index columns = terms.columns();
  std::vector<Index> offsets = slice_offsets(terms.rows(), comm.size());
  const Range slice{offsets[static_cast<std::size_t>(comm.rank())], offsets[static_cast<std::size_t>(comm.rank()) + 1]};
  for (Index& offset : offsets) offset *= columns;
  comm.reduce_scatter_sum(terms.span(), offsets);
  Matrix<T> block = tall_block<T>(comm, slice.size(), columns);
  std::copy_n(terms.row(slice.begin), slice.size() * columns, block.data());
  Matrix<T> r = tall_qr(comm, block);
  std::copy_n(block.data(), slice.size() * columns, terms.row(slice.begin));
  comm.allgather(terms.span(), offsets);
  return r;
}

template Matrix<float> tall_block(const Communicator&, Index, Index);
template Matrix<double> tall_block(const Communicator&, Index, Index);
template Matrix<float> tall_qr(const Communicator&, Matrix<float>&, QrMethod);
template Matrix<double> tall_qr(const Communicator&, Matrix<double>&, QrMethod);
template Matrix<float> sum_and_qr(const Communicator&, Matrix<float>&);
template Matrix<double> sum_and_qr(const Communicator&, Matrix<double>&);

}  // namespace scanmf
