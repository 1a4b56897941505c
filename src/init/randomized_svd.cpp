#include <algorithm>

#include "init/draws.hpp"
#include "init/ordered_qr.hpp"
#include "init/passes.hpp"
#include "init/small_svd.hpp"
#include "init/truncated_svd.hpp"
#include "linalg/lapack.hpp"
#include "scanmf/core/team.hpp"

namespace scanmf {
namespace {

constexpr Index oversampling = 10;

/// Draws one row of the sketch and keeps as many columns as the factorisations have use for.
template <Scalar T>
void draw_row(LegacyRandom& random, Index drawn, Index kept, T* row) {
  for (Index c = 0; c < drawn; ++c) {
    const double value = random.normal();
    if (c < kept) row[c] = static_cast<T>(value);
  }
}

/// The same row of the sketch by its number.
template <Scalar T>
void draw_row_by_counter(const Normals& normals, Index number, Index drawn, Index kept, T* row) {
  for (Index c = 0; c < kept; ++c) row[c] = static_cast<T>(normals.at(stream_of_sketch, number * drawn + c));
}

/// Collective. The sketch n × width of X with m >= n, replicated. By counter each rank draws a slice of it.
template <Scalar T>
Matrix<T> sketch_of_columns(const DataSource<T>& source, Index drawn, Index width, const Normals& normals) {
  const Communicator& comm = source.communicator();
  const Index n = source.shape().columns;
  Matrix<T> sketch;
  std::vector<Index> offsets = slice_offsets(n, comm.size());
  comm.agree([&] {
    sketch = Matrix<T>(n, width);
    if (normals.counter) {
      const auto own = static_cast<std::size_t>(comm.rank());
      Team().for_each(offsets[own + 1] - offsets[own], [&](Index i) {
        const Index j = offsets[own] + i;
        draw_row_by_counter(normals, j, drawn, width, sketch.row(j));
      });
    } else {
      const auto random = normals.seed.stream();
      for (Index j = 0; j < n; ++j) draw_row(*random, drawn, width, sketch.row(j));
    }
  });
  if (!normals.counter) return sketch;
  for (Index& offset : offsets) offset *= width;
  comm.allgather(sketch.span(), offsets);
  return sketch;
}

/// The sketch m × width of Xᵀ, m < n: this rank's rows, at the beginning of `block`.
template <Scalar T>
void draw_sketch_of_rows(const DataSource<T>& source, Index drawn, Index width, const Normals& normals,
                         Matrix<T>& block) {
  if (normals.counter)
    return for_own_rows(source.partition(), source.communicator().rank(), [&](Index row, Index local_row) {
      draw_row_by_counter(normals, row, drawn, width, block.row(local_row));
    });
  const auto random = normals.seed.stream();
  draw_own_rows(*random, source.partition(), source.communicator().rank(), drawn,
                [&](Index row) { draw_row(*random, drawn, width, block.row(row)); });
}

/// Basis (n × width) · vectors (width × k).
template <Scalar T>
Matrix<T> rotated(const Matrix<T>& basis, const Matrix<T>& vectors) {
  Matrix<T> result(basis.rows(), vectors.columns());
  multiply<T>(basis.view(), vectors.view(), result.view());
  return result;
}

/// The same of this rank's rows, stratum by stratum: BLAS multiplies rows at the end of a matrix in another order.
template <Scalar T>
Matrix<T> rotated(const DataSource<T>& source, const Matrix<T>& basis, const Matrix<T>& vectors) {
  const RowPartition& partition = source.partition();
  const int rank = source.communicator().rank();
  const Range strata = partition.strata_of(rank);
  Matrix<T> result(basis.rows(), vectors.columns());
  for (Index stratum = strata.begin; stratum < strata.end; ++stratum)
    for_parts_of_stratum(partition, rank, stratum, [&](Range rows) {
      if (!rows.empty()) multiply<T>(basis.view().middle_rows(rows), vectors.view(), result.view().middle_rows(rows));
    });
  return result;
}

}  // namespace

// A is X, or Xᵀ where m < n. scikit-learn alternates Q ← basis of A·Q, Q ← basis of Aᵀ·Q. Every basis of the same space
// serves, so only one factor in two is orthonormalised: XᵀX·Q needs one pass over X where X·Q and Xᵀ·(basis of X·Q)
// need two, and no factorisation of tall matrices. Nothing is lost: once columns of Q are ordered by singular value (an
// unpivoted QR does that), those of X·Q are as long as their singular value, and so are the rounding errors that they
// bring into Xᵀ·(X·Q). One iteration takes the two steps: the first where the sketch is Q, because that is not ordered,
// the last where m < n, because nothing after it lessens its errors.
template <Scalar T>
TruncatedSvd<T> randomized_svd(DataSource<T>& source, Index k, const Normals& normals) {
  const Communicator& comm = source.communicator();
  const auto [m, n] = source.shape();
  const Index smaller = std::min(m, n);
  const Index drawn = k + oversampling;
  const Index width = std::min(drawn, smaller);
  const int iterations = static_cast<double>(k) < 0.1 * static_cast<double>(smaller) ? 7 : 4;
  Passes<T> passes(source, width);

  Matrix<T> block;
  comm.agree([&] { block = Matrix<T>(source.local_rows(), width); });
  const auto factor_block = [&] { return qr_by_strata(comm, source.partition(), block.view()); };

  Matrix<T> Q;  // n × width, replicated
  if (m >= n) {
    Q = sketch_of_columns(source, drawn, width, normals);
  } else {
    draw_sketch_of_rows(source, drawn, width, normals, block);
    Q = passes.multiply_transposed(block);
    qr_of_replicated(comm, Q);
  }
  const int in_two_steps = m >= n ? 0 : iterations - 1;
  for (int iteration = 0; iteration < iterations; ++iteration) {
    if (iteration == in_two_steps) {
      passes.multiply(Q, block);
      factor_block();
      Q = passes.multiply_transposed(block);
    } else {
      Q = passes.multiply_gram(Q);
    }
    qr_of_replicated(comm, Q);
  }

  // B = (basis)ᵀ·A and its decomposition, by way of the QR factorisation of Bᵀ.
  passes.multiply(Q, block);
  if (m >= n) {
    factor_block();  // basis of A·Q
    Q = passes.multiply_transposed(block);
    const SmallSvd<T> small = small_svd(comm, qr_of_replicated(comm, Q), k);  // Bᵀ = Q·R
    return {rotated(source, block, small.right), small.s, rotated(Q, small.left)};
  }
  const SmallSvd<T> small = small_svd(comm, factor_block(), k);  // Bᵀ = X·Q = block·R
  return {rotated(source, block, small.left), small.s, rotated(Q, small.right)};
}

template TruncatedSvd<float> randomized_svd(DataSource<float>&, Index, const Normals&);
template TruncatedSvd<double> randomized_svd(DataSource<double>&, Index, const Normals&);

}  // namespace scanmf
