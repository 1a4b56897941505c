#include <algorithm>

#include "init/draws.hpp"
#include "init/passes.hpp"
#include "init/small_svd.hpp"
#include "init/tall_qr.hpp"
#include "init/truncated_svd.hpp"
#include "linalg/lapack.hpp"

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

/// The sketch n × width of X with m >= n, replicated.
template <Scalar T>
Matrix<T> sketch_of_columns(const DataSource<T>& source, Index drawn, Index width, std::uint32_t seed) {
  Matrix<T> sketch;
  source.communicator().agree([&] {
    sketch = Matrix<T>(source.shape().columns, width);
    LegacyRandom random(seed);
    for (Index j = 0; j < sketch.rows(); ++j) draw_row(random, drawn, width, sketch.row(j));
  });
  return sketch;
}

/// The sketch m × width of Xᵀ, m < n: this rank's rows, at the beginning of `block`.
template <Scalar T>
void draw_sketch_of_rows(const DataSource<T>& source, Index drawn, Index width, std::uint32_t seed, Matrix<T>& block) {
  LegacyRandom random(seed);
  draw_own_rows(random, source.partition(), source.communicator().rank(), drawn, [&](Index row) { draw_row(random, drawn, width, block.row(row)); });
}

/// Basis (rows × width) · vectors (width × k) for the first `rows` rows of the basis.
template <Scalar T>
Matrix<T> rotated(const Matrix<T>& basis, Index rows, const Matrix<T>& vectors) {
  Matrix<T> result(rows, vectors.columns());
  multiply<T>(basis.view().middle_rows({0, rows}), vectors.view(), result.view());
  return result;
}

}  // namespace

// A is X, or Xᵀ where m < n. scikit-learn alternates Q ← basis of A·Q, Q ← basis of Aᵀ·Q. Every basis of the same space serves, so only one factor in
// two is orthonormalised: XᵀX·Q needs one pass over X where X·Q and Xᵀ·(basis of X·Q) need two, and no factorisation of tall matrices. Nothing is
// lost: once columns of Q are ordered by singular value (an unpivoted QR does that), those of X·Q are as long as their singular value,
// and so are the rounding errors that they bring into Xᵀ·(X·Q). One iteration takes the two steps: the first where the sketch is Q, because
// that is not ordered, the last where m < n, because nothing after it lessens its errors.
template <Scalar T>
TruncatedSvd<T> randomized_svd(DataSource<T>& source, Index k, std::uint32_t seed) {
  const Communicator& comm = source.communicator();
  const auto [m, n] = source.shape();
  const Index smaller = std::min(m, n);
  const Index drawn = k + oversampling;
  const Index width = std::min(drawn, smaller);
  const int iterations = static_cast<double>(k) < 0.1 * static_cast<double>(smaller) ? 7 : 4;
  Passes<T> passes(source, width);

  Matrix<T> block = tall_block<T>(comm, source.local_rows(), width);
  const auto multiply_by_X = [&](const Matrix<T>& right) {
    std::fill(block.row(source.local_rows()), block.data() + block.rows() * width, T{0});
    passes.multiply(right, block);
  };

  Matrix<T> Q;  // n × width, replicated
  if (m >= n) {
    Q = sketch_of_columns(source, drawn, width, seed);
  } else {
    draw_sketch_of_rows(source, drawn, width, seed, block);
    Q = passes.multiply_transposed(block);
    sum_and_qr(comm, Q);
  }
  const int in_two_steps = m >= n ? 0 : iterations - 1;
  for (int iteration = 0; iteration < iterations; ++iteration) {
    if (iteration == in_two_steps) {
      multiply_by_X(Q);
      tall_qr(comm, block);
      Q = passes.multiply_transposed(block);
    } else {
      Q = passes.multiply_gram(Q);
    }
    sum_and_qr(comm, Q);
  }

  // B = (basis)ᵀ·A and its decomposition, by way of the QR factorisation of Bᵀ.
  multiply_by_X(Q);
  if (m >= n) {
    tall_qr(comm, block);  // basis of A·Q
    Q = passes.multiply_transposed(block);
    const SmallSvd<T> small = small_svd(comm, sum_and_qr(comm, Q), k);  // Bᵀ = Q·R
    return {rotated(block, source.local_rows(), small.right), small.s, rotated(Q, n, small.left)};
  }
  const SmallSvd<T> small = small_svd(comm, tall_qr(comm, block), k);  // Bᵀ = X·Q = block·R
  return {rotated(block, source.local_rows(), small.left), small.s, rotated(Q, n, small.right)};
}

template TruncatedSvd<float> randomized_svd(DataSource<float>&, Index, std::uint32_t);
template TruncatedSvd<double> randomized_svd(DataSource<double>&, Index, std::uint32_t);

}  // namespace scanmf
