#include <algorithm>
#include <utility>

#include "init/draws.hpp"
#include "init/small_svd.hpp"
#include "init/tall_qr.hpp"
#include "init/truncated_svd.hpp"
#include "linalg/lapack.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf {
namespace {

/// Copies a packed tile into row-major rows.
template <Scalar T>
void unpack(const DenseTile<T>& tile, MatrixView<T> rows) {
  const Index padded = padded_columns<T>(tile.columns);
  for (Index j = 0; j < tile.columns; j += strip_columns<T>) {
    const Index width = std::min(strip_columns<T>, padded - j);
    for (Index i = 0; i < tile.rows; ++i)
      std::copy_n(tile.packed + j * tile.rows + i * width, std::min(width, tile.columns - j), rows.row(i) + j);
  }
}

/// Local. This rank's rows of X, row-major, in the order of the partition.
template <Scalar T>
void copy_rows(DataSource<T>& source, MatrixView<T> to) {
  for (Index batch = 0; batch < source.partition().batches(); ++batch)
    source.visit(batch, [&](const Block<T>& block) {
      const auto& dense = std::get<DenseBlock<T>>(block.matrix);
      for (Index tile = 0; tile < block.tiles(); ++tile) {
        const DenseTile<T> x = dense.tile(tile);
        const Index row = block.local_row + tile * block.tile_rows();
        unpack(x, to.middle_rows({row, row + x.rows}));
      }
    });
}

/// Collective. Slices of the columns of X, one a rank, as rows of Xᵀ (slice × m):
///
///           columns of rank 0 | 1 | 2
///     rank 0's rows   [ x00 | x01 | x02 ]        rank 0 receives [ x00ᵀ x10ᵀ x20ᵀ ]
///     rank 1's rows   [ x10 | x11 | x12 ]   →    rank 1          [ x01ᵀ x11ᵀ x21ᵀ ]
///     rank 2's rows   [ x20 | x21 | x22 ]        rank 2          [ x02ᵀ x12ᵀ x22ᵀ ]
template <Scalar T>
Matrix<T> transposed_block(DataSource<T>& source, const std::vector<Index>& offsets) {
  const Communicator& comm = source.communicator();
  const RowPartition& partition = source.partition();
  const auto [m, n] = source.shape();
  std::vector<std::vector<T>> outgoing(static_cast<std::size_t>(comm.size()));
  comm.agree([&] {
    Matrix<T> rows(source.local_rows(), n);
    copy_rows(source, rows.view());
    for (std::size_t r = 0; r < outgoing.size(); ++r)
      for (Index j = offsets[r]; j < offsets[r + 1]; ++j)
        for (Index i = 0; i < rows.rows(); ++i) outgoing[r].push_back(rows(i, j));
  });
  const std::vector<std::vector<T>> incoming = comm.exchange(outgoing);
  outgoing.clear();
  const auto own = static_cast<std::size_t>(comm.rank());
  const Index columns = offsets[own + 1] - offsets[own];
  Matrix<T> block = tall_block<T>(comm, columns, m);
  for_pieces(partition, [&](int rank, Range piece, Index local_begin) {
    const T* const from = incoming[static_cast<std::size_t>(rank)].data();
    for (Index j = 0; j < columns; ++j)
      std::copy_n(from + j * partition.local_rows(rank) + local_begin, piece.size(), block.row(j) + piece.begin);
  });
  return block;
}

/// X = Q·R, R = left·diag(s)·rightᵀ: U = Q·left, V = right.
template <Scalar T>
TruncatedSvd<T> tall_svd(DataSource<T>& source, Index k) {
  const Communicator& comm = source.communicator();
  Matrix<T> block = tall_block<T>(comm, source.local_rows(), source.shape().columns);
  comm.agree([&] { copy_rows(source, block.view()); });
  SmallSvd<T> small = small_svd(comm, tall_qr(comm, block), k);
  Matrix<T> U(source.local_rows(), k);
  multiply<T>(std::as_const(block).view().middle_rows({0, U.rows()}), std::as_const(small.left).view(), U.view());
  return {std::move(U), std::move(small.s), std::move(small.right)};
}

/// Xᵀ = Q·R, R = left·diag(s)·rightᵀ: U = right, V = Q·left.
template <Scalar T>
TruncatedSvd<T> wide_svd(DataSource<T>& source, Index k) {
  const Communicator& comm = source.communicator();
  const auto own = static_cast<std::size_t>(comm.rank());
  std::vector<Index> offsets = slice_offsets(source.shape().columns, comm.size());
  const Range slice{offsets[own], offsets[own + 1]};
  Matrix<T> block = transposed_block(source, offsets);
  SmallSvd<T> small = small_svd(comm, tall_qr(comm, block), k);

  Matrix<T> V(source.shape().columns, k);
  multiply<T>(std::as_const(block).view().middle_rows({0, slice.size()}), std::as_const(small.left).view(),
              V.view().middle_rows(slice));
  for (Index& offset : offsets) offset *= k;
  comm.allgather(V.span(), offsets);

  Matrix<T> U(source.local_rows(), k);
  for_pieces(source.partition(), [&](int rank, Range piece, Index local_begin) {
    if (rank == comm.rank()) std::copy_n(small.right.row(piece.begin), piece.size() * k, U.row(local_begin));
  });
  return {std::move(U), std::move(small.s), std::move(V)};
}

}  // namespace

template <Scalar T>
TruncatedSvd<T> exact_svd(DataSource<T>& source, Index k) {
  source.communicator().agree([&] {
    if (source.kind() != StorageKind::dense)
      throw Error("--svd exact needs dense X, and X is sparse: use --svd randomized");
    if (!source.in_memory())
      throw Error(
          "--svd exact needs X in memory, and X is streamed from its file: use --svd randomized, a larger --memory or "
          "more ranks");
  });
  return source.shape().rows >= source.shape().columns ? tall_svd(source, k) : wide_svd(source, k);
}

template TruncatedSvd<float> exact_svd(DataSource<float>&, Index);
template TruncatedSvd<double> exact_svd(DataSource<double>&, Index);

}  // namespace scanmf
