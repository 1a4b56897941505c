#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "scanmf/linalg/operations.hpp"
#include "support/pack_rows.hpp"

namespace scanmf::test {

/// One tile of X with factors, dense in double as the reference and as a dense and a CSR tile of T.
template <Scalar T>
struct Example {
  Index rows, columns, k;
  std::vector<double> x;  // rows × columns
  Matrix<T> w, ht;
  Buffer<T> packed;
  std::vector<Index> row_begin{0};
  std::vector<std::int32_t> column;
  std::vector<T> value;

  Example(Index rows_, Index columns_, Index k_, double density, unsigned seed)
      : rows(rows_),
        columns(columns_),
        k(k_),
        x(static_cast<std::size_t>(rows_ * columns_)),
        w(rows_, k_),
        ht(columns_, k_),
        packed(rows_ * padded_columns<T>(columns_)) {
    std::mt19937 engine(seed);
    std::uniform_real_distribution<double> uniform(0.05, 1.0);
    Matrix<T> values(rows, columns);
    for (Index i = 0; i < rows; ++i) {
      for (Index j = 0; j < columns; ++j) {
        const T element = uniform(engine) < density + 0.05 ? static_cast<T>(uniform(engine)) : T{0};
        values(i, j) = element;
        x[static_cast<std::size_t>(i * columns + j)] = static_cast<double>(element);
        if (element == T{0}) continue;
        column.push_back(static_cast<std::int32_t>(j));
        value.push_back(element);
      }
      row_begin.push_back(static_cast<Index>(column.size()));
    }
    for (T& element : w.span()) element = static_cast<T>(uniform(engine));
    for (T& element : ht.span()) element = static_cast<T>(uniform(engine));
    pack_rows<T>(values.view(), 0, rows, rows, packed.data());
  }

  DenseTile<T> dense() const { return {rows, columns, packed.data()}; }
  CsrTile<T> csr() const { return {rows, columns, row_begin.data(), column.data(), value.data()}; }
  double at(Index i, Index j) const { return x[static_cast<std::size_t>(i * columns + j)]; }
  double product(Index i, Index j) const {
    double sum = 0;
    for (Index c = 0; c < k; ++c) sum += static_cast<double>(w(i, c)) * static_cast<double>(ht(j, c));
    return sum;
  }
};

template <Scalar T>
constexpr double tolerance = sizeof(T) == 4 ? 2e-5 : 2e-13;

template <Scalar T>
void expect_near(MatrixView<const T> actual, const std::vector<double>& expected, const char* what) {
  double largest = 0;
  double difference = 0;
  for (Index i = 0; i < actual.rows; ++i) {
    for (Index c = 0; c < actual.columns; ++c) {
      const double e = expected[static_cast<std::size_t>(i * actual.columns + c)];
      largest = std::max(largest, std::abs(e));
      const double d = std::abs(static_cast<double>(actual(i, c)) - e);
      difference = std::isnan(d) ? HUGE_VAL : std::max(difference, d);
    }
  }
  EXPECT_LE(difference, tolerance<T> * std::max(largest, 1e-3)) << what;
}

inline double guarded(double y) { return std::max(y, division_guard); }

/// Σ_j A(i, j)·H(c, j) and Σ_i A(i, j)·W(i, c) for any element function A.
template <Scalar T, class Element>
std::vector<double> times_ht(const Example<T>& e, Element element) {
  std::vector<double> result(static_cast<std::size_t>(e.rows * e.k), 0.0);
  for (Index i = 0; i < e.rows; ++i)
    for (Index j = 0; j < e.columns; ++j)
      for (Index c = 0; c < e.k; ++c)
        result[static_cast<std::size_t>(i * e.k + c)] += element(i, j) * static_cast<double>(e.ht(j, c));
  return result;
}
template <Scalar T, class Element>
std::vector<double> transposed_times_w(const Example<T>& e, Element element) {
  std::vector<double> result(static_cast<std::size_t>(e.columns * e.k), 0.0);
  for (Index i = 0; i < e.rows; ++i)
    for (Index j = 0; j < e.columns; ++j)
      for (Index c = 0; c < e.k; ++c)
        result[static_cast<std::size_t>(j * e.k + c)] += element(i, j) * static_cast<double>(e.w(i, c));
  return result;
}

}  // namespace scanmf::test
