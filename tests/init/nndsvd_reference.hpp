#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "scanmf/core/random.hpp"
#include "scanmf/init/initial_factors.hpp"

/// NNDSVD as plainly as it can be written: one rank, dense, double, no library.
namespace scanmf::reference {

using Dense = Matrix<double>;

inline Dense product(const Dense& a, const Dense& b) {
  Dense c(a.rows(), b.columns(), 0.0);
  for (Index i = 0; i < a.rows(); ++i)
    for (Index t = 0; t < a.columns(); ++t)
      for (Index j = 0; j < b.columns(); ++j) c(i, j) += a(i, t) * b(t, j);
  return c;
}

inline Dense transposed(const Dense& a) {
  Dense t(a.columns(), a.rows());
  for (Index i = 0; i < a.rows(); ++i)
    for (Index j = 0; j < a.columns(); ++j) t(j, i) = a(i, j);
  return t;
}

/// Orthonormal basis of the columns: Gram-Schmidt, every column twice. Columns that depend on earlier ones become zero.
inline Dense basis(const Dense& a) {
  Dense q = copy_of(a);
  for (Index j = 0; j < q.columns(); ++j) {
    double length = 0;
    for (Index i = 0; i < q.rows(); ++i) length += q(i, j) * q(i, j);
    const double before = std::sqrt(length);
    for (int twice = 0; twice < 2; ++twice)
      for (Index c = 0; c < j; ++c) {
        double dot = 0;
        for (Index i = 0; i < q.rows(); ++i) dot += q(i, c) * q(i, j);
        for (Index i = 0; i < q.rows(); ++i) q(i, j) -= dot * q(i, c);
      }
    length = 0;
    for (Index i = 0; i < q.rows(); ++i) length += q(i, j) * q(i, j);
    const double norm = std::sqrt(length);
    for (Index i = 0; i < q.rows(); ++i) q(i, j) = norm > 1e-12 * before ? q(i, j) / norm : 0;
  }
  return q;
}

struct Svd {
  Dense U;  // rows × columns
  std::vector<double> s;
  Dense V;  // columns × columns
};

/// One-sided Jacobi: rotates columns until they are orthogonal. Left vectors of zero singular values are zero.
inline Svd jacobi(const Dense& a) {
  Dense u = copy_of(a);
  const Index n = a.columns();
  Dense v(n, n, 0.0);
  for (Index j = 0; j < n; ++j) v(j, j) = 1;
  for (int sweep = 0; sweep < 60; ++sweep)
    for (Index p = 0; p < n; ++p)
      for (Index q = p + 1; q < n; ++q) {
        double pp = 0;
        double qq = 0;
        double pq = 0;
        for (Index i = 0; i < u.rows(); ++i) {
          pp += u(i, p) * u(i, p);
          qq += u(i, q) * u(i, q);
          pq += u(i, p) * u(i, q);
        }
        if (std::abs(pq) <= 1e-300 || std::abs(pq) <= 1e-17 * std::sqrt(pp * qq)) continue;
        const double zeta = (qq - pp) / (2 * pq);
        const double t = (zeta >= 0 ? 1 : -1) / (std::abs(zeta) + std::sqrt(1 + zeta * zeta));
        const double cosine = 1 / std::sqrt(1 + t * t);
        const double sine = cosine * t;
        for (Dense* m : {&u, &v})
          for (Index i = 0; i < m->rows(); ++i) {
            const double x = (*m)(i, p);
            const double y = (*m)(i, q);
            (*m)(i, p) = cosine * x - sine * y;
            (*m)(i, q) = sine * x + cosine * y;
          }
      }
  std::vector<double> norms(static_cast<std::size_t>(n), 0);
  for (Index j = 0; j < n; ++j) {
    for (Index i = 0; i < u.rows(); ++i) norms[static_cast<std::size_t>(j)] += u(i, j) * u(i, j);
    norms[static_cast<std::size_t>(j)] = std::sqrt(norms[static_cast<std::size_t>(j)]);
  }
  std::vector<Index> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), Index{0});
  std::sort(order.begin(), order.end(),
            [&](Index x, Index y) { return norms[static_cast<std::size_t>(x)] > norms[static_cast<std::size_t>(y)]; });
  Svd svd{Dense(u.rows(), n), {}, Dense(n, n)};
  for (Index j = 0; j < n; ++j) {
    const Index from = order[static_cast<std::size_t>(j)];
    const double s = norms[static_cast<std::size_t>(from)];
    svd.s.push_back(s);
    for (Index i = 0; i < u.rows(); ++i) svd.U(i, j) = s > 0 ? u(i, from) / s : 0;
    for (Index i = 0; i < n; ++i) svd.V(i, j) = v(i, from);
  }
  return svd;
}

/// The randomised decomposition as scikit-learn makes it, a basis after every product.
inline Svd randomized(const Dense& x, Index k, std::uint32_t seed) {
  const bool flip = x.rows() < x.columns();
  const Dense a = flip ? transposed(x) : copy_of(x);
  const Dense at = transposed(a);
  const int passes = static_cast<double>(k) < 0.1 * static_cast<double>(a.columns()) ? 7 : 4;
  Dense q(a.columns(), k + 10);
  LegacyRandom random(seed);
  for (double& value : q.span()) value = random.normal();
  for (int pass = 0; pass < passes; ++pass) q = basis(product(at, basis(product(a, q))));
  q = basis(product(a, q));
  Svd svd = jacobi(product(at, q));  // Bᵀ
  Dense left = product(q, svd.V);
  return flip ? Svd{std::move(svd.U), svd.s, std::move(left)} : Svd{std::move(left), svd.s, std::move(svd.U)};
}

struct Start {
  Dense W, H;
};

/// The split of a decomposition whose singular values are far from each other and from ties.
inline Start split(const Dense& x, const Svd& svd, Index k, std::uint32_t seed, NndsvdVariant variant) {
  Start start{Dense(x.rows(), k, 0.0), Dense(k, x.columns(), 0.0)};
  for (Index j = 0; j < k; ++j) {
    const double s = svd.s[static_cast<std::size_t>(j)];
    double best = 0;
    for (const double sign : {-1.0, 1.0}) {
      const auto part = [&](double value) { return j == 0 ? std::abs(value) : std::max(sign * value, 0.0); };
      double u = 0;
      double v = 0;
      for (Index i = 0; i < x.rows(); ++i) u += part(svd.U(i, j)) * part(svd.U(i, j));
      for (Index i = 0; i < x.columns(); ++i) v += part(svd.V(i, j)) * part(svd.V(i, j));
      const double mass = std::sqrt(u * v);
      if (mass <= best) continue;
      best = mass;
      const double scale = std::sqrt(s * mass);
      for (Index i = 0; i < x.rows(); ++i) start.W(i, j) = scale * part(svd.U(i, j)) / std::sqrt(u);
      for (Index i = 0; i < x.columns(); ++i) start.H(j, i) = scale * part(svd.V(i, j)) / std::sqrt(v);
    }
  }
  const double mean =
      std::accumulate(x.span().begin(), x.span().end(), 0.0) / static_cast<double>(x.rows() * x.columns());
  LegacyRandom random(seed);
  for (Dense* factor : {&start.W, &start.H})
    for (double& value : factor->span()) {
      if (value < 1e-6) value = 0;
      if (value == 0 && variant == NndsvdVariant::nndsvda) value = mean;
      if (value == 0 && variant == NndsvdVariant::nndsvdar) value = std::abs(mean * random.normal() / 100);
    }
  return start;
}

}  // namespace scanmf::reference
