#include <cmath>

#include "init/draws.hpp"
#include "scanmf/core/team.hpp"
#include "scanmf/init/initial_factors.hpp"

namespace scanmf {
namespace {

/// √(mean(X)/k) rounded as numpy does: the mean in X's type, division and root in double, the result in X's type.
template <Scalar T>
T scale_of(const DataSource<T>& source, Index k) {
  const T mean = static_cast<T>(source.summary().mean(source.shape()));
  return static_cast<T>(std::sqrt(static_cast<double>(mean) / static_cast<double>(k)));
}

template <Scalar T>
T scaled(T scale, double normal) {
  return std::abs(scale * static_cast<T>(normal));
}

/// One stream: H (k × n) row by row, then W (m × k) row by row.
template <Scalar T>
void draw_from_numpy_stream(const DataSource<T>& source, const Seed& seed, T scale, Factors<T>& factors) {
  const auto stream = seed.stream();
  LegacyRandom& random = *stream;
  const Index k = factors.Ht.columns();
  for (Index c = 0; c < k; ++c)
    for (Index j = 0; j < factors.Ht.rows(); ++j) factors.Ht(j, c) = scaled(scale, random.normal());
  draw_own_rows(random, source.partition(), source.communicator().rank(), k, [&](Index row) {
    for (Index c = 0; c < k; ++c) factors.W(row, c) = scaled(scale, random.normal());
  });
}

/// Two streams keyed by the position in H and in W.
template <Scalar T>
void draw_by_counter(const DataSource<T>& source, const Seed& seed, T scale, Factors<T>& factors) {
  const Normals normals{seed, true};
  const Index n = factors.Ht.rows();
  const Index k = factors.Ht.columns();
  Team().for_each(n, [&](Index j) {
    for (Index c = 0; c < k; ++c) factors.Ht(j, c) = scaled(scale, normals.at(stream_of_H, c * n + j));
  });
  for_own_rows(source.partition(), source.communicator().rank(), [&](Index row, Index local_row) {
    for (Index c = 0; c < k; ++c) factors.W(local_row, c) = scaled(scale, normals.at(stream_of_W, row * k + c));
  });
}

}  // namespace

template <Scalar T>
Factors<T> random_factors(const DataSource<T>& source, Index n_components, const Seed& seed, bool counter) {
  Factors<T> factors;
  source.communicator().agree([&] {
    factors = {Matrix<T>(source.local_rows(), n_components), Matrix<T>(source.shape().columns, n_components)};
    const T scale = scale_of(source, n_components);
    if (counter)
      draw_by_counter(source, seed, scale, factors);
    else
      draw_from_numpy_stream(source, seed, scale, factors);
  });
  return factors;
}

template Factors<float> random_factors(const DataSource<float>&, Index, const Seed&, bool);
template Factors<double> random_factors(const DataSource<double>&, Index, const Seed&, bool);

}  // namespace scanmf
