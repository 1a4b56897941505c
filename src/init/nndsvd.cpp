#include <algorithm>
#include <cmath>
#include <limits>

#include "init/draws.hpp"
#include "init/truncated_svd.hpp"
#include "scanmf/core/team.hpp"
#include "scanmf/init/initial_factors.hpp"
#include "scanmf/parallel/ordered_sum.hpp"

namespace scanmf {
namespace {

/// Which half of a pair of singular vectors becomes a component, and its scale: column of W = left · max(0, sign·u).
struct Half {
  double sign = 1;
  double left = 0;   // √(s·σ)/‖half of u‖, σ = ‖half of u‖·‖half of v‖
  double right = 0;  // √(s·σ)/‖half of v‖
};

/// Differences below this are rounding errors: symmetries of X must not be broken by them, or the result would depend
/// on the number of ranks.
template <Scalar T>
constexpr double same_within = 100 * static_cast<double>(std::numeric_limits<T>::epsilon());

/// Signs of the entries of largest magnitude of each u, the first ones in the order of rows where several are as large.
/// Singular vectors have no sign of their own; turned by these, they decide ties.
template <Scalar T>
std::vector<double> signs_of(const DataSource<T>& source, const Matrix<T>& U) {
  const Communicator& comm = source.communicator();
  const Index k = U.columns();
  std::vector<double> largest(static_cast<std::size_t>(k), 0);
  for (Index i = 0; i < U.rows(); ++i)
    for (Index c = 0; c < k; ++c)
      largest[static_cast<std::size_t>(c)] =
          std::max(largest[static_cast<std::size_t>(c)], std::abs(static_cast<double>(U(i, c))));
  comm.allreduce_max(std::span<double>(largest));

  // The first row of X with an entry so large, times 2, plus 1 where that is negative: the smallest of all ranks wins.
  constexpr Index none = std::numeric_limits<Index>::max();
  std::vector<Index> negated_first(static_cast<std::size_t>(k), -none);
  for_pieces(source.partition(), [&](int rank, Range piece, Index local_begin) {
    if (rank != comm.rank()) return;
    for (Index i = 0; i < piece.size(); ++i)
      for (std::size_t c = 0; c < largest.size(); ++c) {
        const double value = static_cast<double>(U(local_begin + i, static_cast<Index>(c)));
        if (std::abs(value) < largest[c] * (1 - same_within<T>)) continue;
        negated_first[c] = std::max(negated_first[c], -(2 * (piece.begin + i) + (value < 0 ? 1 : 0)));
      }
  });
  comm.allreduce_max(std::span<Index>(negated_first));
  std::vector<double> signs;
  for (const Index first : negated_first) signs.push_back(first % 2 == 0 ? 1 : -1);
  return signs;
}

/// Squared norms of the positive and of the negative part of each column of some rows: 2·k values.
template <Scalar T>
std::vector<double> squares_of_parts(MatrixView<const T> columns) {
  std::vector<double> squares(static_cast<std::size_t>(2 * columns.columns), 0);
  for (Index i = 0; i < columns.rows; ++i)
    for (Index c = 0; c < columns.columns; ++c) {
      const double value = static_cast<double>(columns(i, c));
      squares[static_cast<std::size_t>(2 * c + (value < 0 ? 1 : 0))] += value * value;
    }
  return squares;
}

/// Collective. The same of rows that are shared out over the ranks.
template <Scalar T>
std::vector<double> squares_of_parts(const DataSource<T>& source, const Matrix<T>& columns) {
  const Communicator& comm = source.communicator();
  const Range strata = source.partition().strata_of(comm.rank());
  std::vector<ExactSum> sums(static_cast<std::size_t>(2 * columns.columns()));
  for (Index stratum = strata.begin; stratum < strata.end; ++stratum)
    for_parts_of_stratum(source.partition(), comm.rank(), stratum, [&](Range rows) {
      const std::vector<double> of_part = squares_of_parts<T>(columns.view().middle_rows(rows));
      for (std::size_t i = 0; i < sums.size(); ++i) sums[i].add(of_part[i]);
    });
  return exact_sums(comm, sums);
}

/// Step 4 of the method: the first pair is taken whole, of the others the half that has more mass; in a tie the one
/// without the entry that signs_of() looks at, which is the negative one.
template <Scalar T>
std::vector<Half> choose_halves(const DataSource<T>& source, const TruncatedSvd<T>& svd) {
  const std::vector<double> signs = signs_of(source, svd.U);
  const std::vector<double> u = squares_of_parts(source, svd.U);
  const std::vector<double> v = squares_of_parts<T>(svd.V.view());
  std::vector<Half> halves(svd.s.size());
  for (std::size_t c = 0; c < halves.size(); ++c) {
    if (c == 0) {
      halves[c] = {1, std::sqrt(svd.s[0]), std::sqrt(svd.s[0])};
      continue;
    }
    const double positive = std::sqrt(u[2 * c]) * std::sqrt(v[2 * c]);
    const double negative = std::sqrt(u[2 * c + 1]) * std::sqrt(v[2 * c + 1]);
    const bool tie = std::abs(positive - negative) <= same_within<T> * positive;
    const bool first = tie ? signs[c] < 0 : positive > negative;
    const double mass = first ? positive : negative;
    if (mass == 0 || svd.s[c] == 0) continue;  // a component that does not exist
    const double scale = std::sqrt(svd.s[c] * mass);
    const std::size_t part = 2 * c + (first ? 0 : 1);
    halves[c] = {first ? 1.0 : -1.0, scale / std::sqrt(u[part]), scale / std::sqrt(v[part])};
  }
  return halves;
}

/// Replaces singular vectors by the columns of a factor; what is below 10⁻⁶ becomes 0.
template <Scalar T>
void split(Matrix<T>& vectors, const std::vector<Half>& halves, double Half::*scale) {
  constexpr T smallest = static_cast<T>(1e-6);
  Team().for_each(vectors.rows(), [&](Index i) {
    for (std::size_t c = 0; c < halves.size(); ++c) {
      T& value = vectors(i, static_cast<Index>(c));
      const double part =
          c == 0 ? std::abs(static_cast<double>(value)) : std::max(0.0, halves[c].sign * static_cast<double>(value));
      value = static_cast<T>(halves[c].*scale * part);
      if (value < smallest) value = 0;
    }
  });
}

/// nndsvda: every zero becomes the mean of X.
template <Scalar T>
void fill_zeros(Matrix<T>& factor, T mean) {
  std::replace(factor.span().begin(), factor.span().end(), T{0}, mean);
}

/// nndsvdar by counter: every zero becomes |mean(X)·normal/100|, the normal being that of its place in W or H (k × n).
template <Scalar T>
void fill_zeros_by_counter(const DataSource<T>& source, const Normals& normals, T mean, Factors<T>& factors) {
  const Index k = factors.W.columns();
  const Index n = factors.Ht.rows();
  const auto fill = [&](T& value, CounterStream stream, Index position) {
    if (value == 0) value = static_cast<T>(std::abs(static_cast<double>(mean) * normals.at(stream, position) / 100));
  };
  for_own_rows(source.partition(), source.communicator().rank(), [&](Index row, Index local_row) {
    for (Index c = 0; c < k; ++c) fill(factors.W(local_row, c), stream_of_fills_of_W, row * k + c);
  });
  Team().for_each(n, [&](Index j) {
    for (Index c = 0; c < k; ++c) fill(factors.Ht(j, c), stream_of_fills_of_H, c * n + j);
  });
}

/// nndsvdar: every zero becomes |mean(X)·normal/100|. One stream for the zeros of W in the order of X's rows, then for
/// those of H (k × n) in its order.
template <Scalar T>
void fill_zeros_randomly(const DataSource<T>& source, const Seed& seed, T mean, Factors<T>& factors) {
  const Communicator& comm = source.communicator();
  const RowPartition& partition = source.partition();
  const Index k = factors.W.columns();
  // Zeros of every piece, in the order in which for_pieces visits them.
  std::vector<Index> zeros;
  for_pieces(partition, [&](int rank, Range piece, Index local_begin) {
    const T* const begin = rank == comm.rank() ? factors.W.row(local_begin) : nullptr;
    zeros.push_back(begin == nullptr ? 0 : std::count(begin, begin + piece.size() * k, T{0}));
  });
  comm.allreduce_sum(std::span<Index>(zeros));

  const auto stream = seed.stream();
  LegacyRandom& random = *stream;
  const auto draw = [&] { return static_cast<T>(std::abs(static_cast<double>(mean) * random.normal() / 100)); };
  std::size_t number = 0;
  for_pieces(partition, [&](int rank, Range piece, Index local_begin) {
    const Index count = zeros[number++];
    if (rank != comm.rank()) return random.skip_normals(count);
    std::for_each_n(factors.W.row(local_begin), piece.size() * k, [&](T& value) {
      if (value == 0) value = draw();
    });
  });
  for (Index c = 0; c < k; ++c)
    for (Index j = 0; j < factors.Ht.rows(); ++j)
      if (factors.Ht(j, c) == 0) factors.Ht(j, c) = draw();
}

}  // namespace

template <Scalar T>
Factors<T> nndsvd_factors(DataSource<T>& source, Index n_components, const Seed& seed, NndsvdVariant variant,
                          bool exact, bool counter) {
  const Normals normals{seed, counter};
  TruncatedSvd<T> svd = exact ? exact_svd(source, n_components) : randomized_svd(source, n_components, normals);
  const std::vector<Half> halves = choose_halves(source, svd);
  split(svd.U, halves, &Half::left);
  split(svd.V, halves, &Half::right);
  Factors<T> factors{std::move(svd.U), std::move(svd.V)};
  const T mean = static_cast<T>(source.summary().mean(source.shape()));
  if (variant == NndsvdVariant::nndsvda) {
    fill_zeros(factors.W, mean);
    fill_zeros(factors.Ht, mean);
  } else if (variant == NndsvdVariant::nndsvdar) {
    counter ? fill_zeros_by_counter(source, normals, mean, factors) : fill_zeros_randomly(source, seed, mean, factors);
  }
  return factors;
}

template Factors<float> nndsvd_factors(DataSource<float>&, Index, const Seed&, NndsvdVariant, bool, bool);
template Factors<double> nndsvd_factors(DataSource<double>&, Index, const Seed&, NndsvdVariant, bool, bool);

}  // namespace scanmf
