#pragma once

#include "scanmf/linalg/matrix.hpp"
#include "scanmf/parallel/communicator.hpp"
#include "scanmf/parallel/row_partition.hpp"

namespace scanmf {

// QR of tall matrices in pieces of rows that depend on nothing but the shape: each piece by itself, then their R
// factors one below the other (Demmel, Grigori, Hoemmen & Langou, SIAM J. Sci. Comput. 34(1), 2012). The same bits on
// any number of ranks and threads.
//
//     [ A0 ]   [ Q0       ] [ R0 ]   [ Q0       ] [ S0 ]
//     [ A1 ] = [    Q1    ] [ R1 ] = [    Q1    ] [ S1 ] R

/// Collective. block (local rows × columns, in the order of the partition) becomes Q; returns R (columns × columns,
/// replicated). A piece is a stratum. Where R is singular, columns of Q beyond its rank are arbitrary.
template <Scalar T>
Matrix<T> qr_by_strata(const Communicator& comm, const RowPartition& partition, MatrixView<T> block);

/// Collective. The same of a replicated matrix (n × columns, n >= columns), to which ranks take their share of pieces.
template <Scalar T>
Matrix<T> qr_of_replicated(const Communicator& comm, Matrix<T>& a);

}  // namespace scanmf
