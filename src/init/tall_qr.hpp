#pragma once

#include "scanmf/linalg/matrix.hpp"
#include "scanmf/parallel/communicator.hpp"

namespace scanmf {

/// Collective. This rank's block of a tall matrix whose rows are shared out over the ranks: `local_rows` rows that
/// matter, then zero rows up to the length that all ranks' blocks have. All zero at first.
template <Scalar T>
Matrix<T> tall_block(const Communicator& comm, Index local_rows, Index columns);

/// How the factors of different ranks are combined.
enum class QrMethod {
  automatic,  // ScaLAPACK, tree where that cannot do it (32-bit sizes, a single column)
  scalapack,
  tree,  // each rank by itself, then the R factors of all of them
};

/// Collective. QR of a tall matrix given by tall_block(): `block` becomes Q, R (columns × columns, replicated) is
/// returned. Where R is singular, columns of Q beyond its rank are arbitrary. Its bits depend on the ranks.
template <Scalar T>
Matrix<T> tall_qr(const Communicator& comm, Matrix<T>& block, QrMethod method = QrMethod::automatic);

}  // namespace scanmf
