#pragma once

#include <mpi.h>

#include "scanmf/linalg/matrix.hpp"

namespace scanmf {

/// True when distributed_qr can factor blocks of this size: ScaLAPACK's 32-bit integers suffice, and there are at least
/// two columns.
bool distributed_qr_fits(Index block_rows, Index columns, int ranks, Index element_size);

/// Collective over `comm`. QR of a tall matrix (ranks·rows × columns) by ScaLAPACK; `a` is this rank's block, of the
/// same size on every rank, rows >= columns:
///
///     rank 0  [ a0 ]     [ Q0 ]
///     rank 1  [ a1 ]  =  [ Q1 ] · R      a becomes this rank's part of Q; r (columns × columns, upper triangle, zero
///     below) is given on rank 0 alone rank 2  [ a2 ]     [ Q2 ]
///
/// Blocks of unequal length are padded with zero rows: R does not change, and rows of Q that belong to a range of full
/// rank are zero there.
template <Scalar T>
void distributed_qr(MPI_Comm comm, MatrixView<T> a, MatrixView<T> r);

}  // namespace scanmf
