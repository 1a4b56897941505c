#pragma once

#include <array>
#include <numeric>

#include "scanmf/linalg/matrix.hpp"

namespace scanmf {

/// Sums of many numbers in double that go on at the same time.
constexpr Index sum_lanes = 8;

/// Calls add(i, lane) for all i < count: sums of different lanes do not wait for each other.
template <Index Lanes = sum_lanes, class Add>
void in_lanes(Index count, Add&& add) {
  Index i = 0;
  for (; i + Lanes <= count; i += Lanes)
    for (Index lane = 0; lane < Lanes; ++lane) add(i + lane, static_cast<std::size_t>(lane));
  for (; i < count; ++i) add(i, 0);
}

/// The sum of some numbers, one after the other, in double; copies: of each, or null.
template <Scalar T>
double sum_in_order(const T* numbers, Index count, double* copies) {
  double sum = 0;
  for (Index i = 0; i < count; ++i) {
    const auto number = static_cast<double>(numbers[i]);
    if (copies != nullptr) copies[i] = number;
    sum += number;
  }
  return sum;
}

/// ⟨A, B⟩ of two matrices of the same shape, in double.
template <Scalar T>
double dot(MatrixView<const T> a, MatrixView<const T> b) {
  std::array<double, sum_lanes> sums{};
  for (Index i = 0; i < a.rows; ++i)
    in_lanes(a.columns, [&](Index c, std::size_t lane) {
      sums[lane] += static_cast<double>(a(i, c)) * static_cast<double>(b(i, c));
    });
  return std::accumulate(sums.begin(), sums.end(), 0.0);
}

}  // namespace scanmf
