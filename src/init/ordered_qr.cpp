#include "init/ordered_qr.hpp"

#include <algorithm>

#include "init/draws.hpp"
#include "linalg/lapack.hpp"
#include "scanmf/core/team.hpp"

namespace scanmf {
namespace {

/// Number of pieces that rows are cut into so that one fits the cache.
Index pieces_of(Index rows, Index columns) {
  constexpr Index elements_in_cache = 65536;
  return std::max<Index>(1, rows / std::max(4 * columns, elements_in_cache / columns));
}

Range piece_of(Index rows, Index pieces, Index piece) { return {rows * piece / pieces, rows * (piece + 1) / pieces}; }

template <Scalar T>
MatrixView<T> square(Matrix<T>& stack, Index number) {
  return stack.view().middle_rows({number * stack.columns(), (number + 1) * stack.columns()});
}

/// Local. QR in pieces of rows, and of their R factors, until one is left. Threads share the work.
template <Scalar T>
void qr_in_pieces(MatrixView<T> a, MatrixView<T> r) {
  const Index pieces = pieces_of(a.rows, a.columns);
  if (pieces == 1) return qr(a, r);
  Matrix<T> stack(pieces * a.columns, a.columns);
  const Team team;
  team.for_each(pieces, [&](Index p) { qr(a.middle_rows(piece_of(a.rows, pieces, p)), square(stack, p)); });
  qr_in_pieces(stack.view(), r);
  team.for_each(pieces,
                [&](Index p) { multiply_in_place<T>(a.middle_rows(piece_of(a.rows, pieces, p)), square(stack, p)); });
}

/// Collective. The same with pieces on several ranks, rank r having pieces cuts[r] … cuts[r + 1]. Each of the own ones
/// is given to a function that makes Q of it, or multiplies it from the right.
template <Scalar T, class Factor, class Multiply>
Matrix<T> qr_of_pieces(const Communicator& comm, std::span<const Index> cuts, Index columns, Factor&& factor,
                       Multiply&& multiply) {
  const auto rank = static_cast<std::size_t>(comm.rank());
  const Range own{cuts[rank], cuts[rank + 1]};
  Matrix<T> stack;
  const Team team;
  comm.agree([&] {
    stack = Matrix<T>(cuts.back() * columns, columns);
    team.for_each(own.size(), [&](Index i) { factor(own.begin + i, square(stack, own.begin + i)); });
  });
  std::vector<Index> offsets;
  for (const Index cut : cuts) offsets.push_back(cut * columns * columns);
  comm.allgather(stack.span(), offsets);
  Matrix<T> r(columns, columns);
  comm.agree([&] {
    qr_in_pieces(stack.view(), r.view());
    team.for_each(own.size(), [&](Index i) { multiply(own.begin + i, square(stack, own.begin + i)); });
  });
  return r;
}

/// The rows of a stratum one below the other, then zero rows where they are fewer than columns.
template <Scalar T>
Matrix<T> collected(const std::vector<MatrixView<T>>& parts, Index columns) {
  Index rows = 0;
  for (const MatrixView<T>& part : parts) rows += part.rows;
  Matrix<T> all(std::max(rows, columns), columns, T{0});
  T* to = all.data();
  for (const MatrixView<T>& part : parts) to = std::copy_n(part.data, part.rows * columns, to);
  return all;
}

}  // namespace

template <Scalar T>
Matrix<T> qr_by_strata(const Communicator& comm, const RowPartition& partition, MatrixView<T> block) {
  const Index columns = block.columns;
  const auto parts_of = [&](Index stratum) {
    std::vector<MatrixView<T>> parts;
    for_parts_of_stratum(partition, comm.rank(), stratum,
                         [&](Range rows) { parts.push_back(block.middle_rows(rows)); });
    return parts;
  };
  const auto factor = [&](Index stratum, MatrixView<T> r) {
    const std::vector<MatrixView<T>> parts = parts_of(stratum);
    Matrix<T> q = collected(parts, columns);
    qr_in_pieces(q.view(), r);
    const T* from = q.data();
    for (const MatrixView<T>& part : parts) {
      std::copy_n(from, part.rows * columns, part.data);
      from += part.rows * columns;
    }
  };
  return qr_of_pieces<T>(comm, partition.cuts(), columns, factor, [&](Index stratum, MatrixView<const T> factor_of) {
    for (const MatrixView<T>& part : parts_of(stratum)) multiply_in_place<T>(part, factor_of);
  });
}

template <Scalar T>
Matrix<T> qr_of_replicated(const Communicator& comm, Matrix<T>& a) {
  const Index pieces = pieces_of(a.rows(), a.columns());
  const std::vector<Index> cuts = slice_offsets(pieces, comm.size());
  const auto rows_of = [&](Index piece) { return a.view().middle_rows(piece_of(a.rows(), pieces, piece)); };
  Matrix<T> r = qr_of_pieces<T>(
      comm, cuts, a.columns(), [&](Index piece, MatrixView<T> of_piece) { qr(rows_of(piece), of_piece); },
      [&](Index piece, MatrixView<const T> factor) { multiply_in_place<T>(rows_of(piece), factor); });
  std::vector<Index> offsets;
  for (const Index cut : cuts) offsets.push_back(a.rows() * cut / pieces * a.columns());
  comm.allgather(a.span(), offsets);
  return r;
}

template Matrix<float> qr_by_strata(const Communicator&, const RowPartition&, MatrixView<float>);
template Matrix<double> qr_by_strata(const Communicator&, const RowPartition&, MatrixView<double>);
template Matrix<float> qr_of_replicated(const Communicator&, Matrix<float>&);
template Matrix<double> qr_of_replicated(const Communicator&, Matrix<double>&);

}  // namespace scanmf
