#include "init/tall_qr.hpp"

#include <algorithm>

#include "linalg/lapack.hpp"
#include "linalg/scalapack.hpp"
#include "scanmf/core/team.hpp"

namespace scanmf {
namespace {

/// a ← a · factor, a narrow matrix.
template <Scalar T>
void multiply_in_place(MatrixView<T> a, MatrixView<const T> factor) {
  Matrix<T> copy(a.rows, a.columns);
  std::copy_n(a.data, a.rows * a.columns, copy.data());
  multiply<T>(copy.view(), factor, a);
}

/// Number of pieces that a block is cut into; one unless the block is long and narrow.
Index pieces_of(Index rows, Index columns) {
  constexpr Index widest = 256;  // beyond, a blocked factorisation of the whole keeps the cores as busy
  constexpr Index elements_in_cache = 65536;
  if (columns > widest) return 1;
  return std::max<Index>(1, rows / std::max(4 * columns, elements_in_cache / columns));
}

Range piece_of(Index rows, Index pieces, Index piece) { return {rows * piece / pieces, rows * (piece + 1) / pieces}; }

/// Factors the pieces of a block, then their R factors one below the other; Q is the product.
///
///     [ A0 ]   [ Q0       ] [ R0 ]   [ Q0       ] [ S0 ]
///     [ A1 ] = [    Q1    ] [ R1 ] = [    Q1    ] [ S1 ] R
template <Scalar T>
Matrix<T> qr_by_pieces(const Communicator& comm, Matrix<T>& block, Index pieces, QrMethod method) {
  const Index columns = block.columns();
  Matrix<T> stack(pieces * columns, columns);
  const Team team;
  team.for_each(pieces, [&](Index p) {
    qr(block.view().middle_rows(piece_of(block.rows(), pieces, p)),
       stack.view().middle_rows({p * columns, (p + 1) * columns}));
  });
  Matrix<T> r = tall_qr(comm, stack, method);
  team.for_each(pieces, [&](Index p) {
    multiply_in_place<T>(block.view().middle_rows(piece_of(block.rows(), pieces, p)),
                         stack.view().middle_rows({p * columns, (p + 1) * columns}));
  });
  return r;
}

/// The same with each rank's block for a piece; rank 0 factors the stack.
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
  const Index pieces = pieces_of(block.rows(), block.columns());
  if (pieces > 1) return qr_by_pieces(comm, block, pieces, method);

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
