// Sweeps of coordinate descent.
#include <algorithm>
#include <cmath>

#include "linalg/kernels.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "linalg/sweep_kernels.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
// after highway.h
#include "linalg/vectors-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace scanmf::HWY_NAMESPACE {

/// Updates B coordinates of V vectors of rows, one after the other. What the rows' elements are multiplied by is summed
/// for all B while they are in registers, and what the first of them change of the next ones' gradients is added later.
/// change: of each row, where it is measured.
template <Index V, Index B, bool Measured, class T>
HWY_INLINE void sweep_block(T* f, const T* p, Index stride, const T* gram, Index components, const Index* order,
                            Lanes<T>* violation, Lanes<T>* change) {
  const Vector<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  const auto zero = hn::Zero(d);
  const T* gram_rows[static_cast<std::size_t>(B)];
  Lanes<T> gradients[static_cast<std::size_t>(B)][static_cast<std::size_t>(V)];
  for (Index b = 0; b < B; ++b) {
    gram_rows[b] = gram + order[b] * components;
    for (Index v = 0; v < V; ++v) gradients[b][v] = hn::Neg(hn::Load(d, p + order[b] * stride + v * lanes));
  }
  const auto add = [&](Index b, Index r, const Lanes<T>* values) {
    const auto g = hn::Set(d, gram_rows[b][r]);
    for (Index v = 0; v < V; ++v) gradients[b][v] = hn::MulAdd(g, values[v], gradients[b][v]);
  };
  for (Index r = 0; r < components; ++r) {
    Lanes<T> values[static_cast<std::size_t>(V)];
    for (Index v = 0; v < V; ++v) values[v] = hn::Load(d, f + r * stride + v * lanes);
    for (Index b = 0; b < B; ++b) add(b, r, values);
  }
  for (Index b = 0; b < B; ++b) {
    const T diagonal = gram_rows[b][order[b]];
    Lanes<T> differences[static_cast<std::size_t>(V)];
    for (Index v = 0; v < V; ++v) {
      T* const place = f + order[b] * stride + v * lanes;
      const auto value = hn::Load(d, place);
      const auto gradient = gradients[b][v];
      const auto projected = hn::IfThenElse(hn::Eq(value, zero), hn::Min(gradient, zero), gradient);
      violation[v] = hn::Add(violation[v], hn::Abs(projected));
      differences[v] = zero;
      if (diagonal == T{0}) continue;
      const auto updated = hn::Max(hn::Sub(value, hn::Div(gradient, hn::Set(d, diagonal))), zero);
      hn::Store(updated, d, place);
      differences[v] = hn::Sub(updated, value);
      if constexpr (Measured) change[v] = hn::MulAdd(differences[v], differences[v], change[v]);
    }
    for (Index later = b + 1; later < B; ++later) add(later, order[b], differences);
  }
}

/// V vectors of rows at a time, so that sums of several vectors are in flight, and B coordinates; violations, changes:
/// of each row.
template <Index V, Index B, bool Measured, class T>
HWY_NOINLINE void sweep_rows(T* f, const T* p, Index stride, const T* gram, Index components, const Index* order,
                             T* violations, T* changes) {
  const Vector<T> d;
  Lanes<T> violation[static_cast<std::size_t>(V)];
  Lanes<T> change[static_cast<std::size_t>(V)];
  for (Index v = 0; v < V; ++v) violation[v] = change[v] = hn::Zero(d);
  Index step = 0;
  for (; step + B <= components; step += B)
    sweep_block<V, B, Measured>(f, p, stride, gram, components, order + step, violation, change);
  if constexpr (B > 1)
    for (; step < components; ++step)
      sweep_block<V, 1, Measured>(f, p, stride, gram, components, order + step, violation, change);
  for (Index v = 0; v < V; ++v) {
    hn::StoreU(violation[v], d, violations + v * static_cast<Index>(hn::Lanes(d)));
    if constexpr (Measured) hn::StoreU(change[v], d, changes + v * static_cast<Index>(hn::Lanes(d)));
  }
}

/// From so many components on, the rows' elements outgrow the first-level cache: each is read for four coordinates. The
/// sweeps that are repeated always do so: few rows are left of a group soon, and with one coordinate at a time too few
/// sums would be in flight.
constexpr Index wide = 65;

template <bool Measured, class T>
void sweep_all(T* f, const T* p, Index rows, Index stride, const T* gram, Index components, const Index* order,
               T* violations, T* changes) {
  const Index lanes = static_cast<Index>(hn::Lanes(Vector<T>()));
  Index i = 0;
  const auto sweep = [&]<Index V, Index B>(std::integral_constant<Index, V>, std::integral_constant<Index, B>) {
    for (; i + V * lanes <= rows; i += V * lanes)
      sweep_rows<V, B, Measured>(f + i, p + i, stride, gram, components, order, violations + i,
                                 Measured ? changes + i : nullptr);
  };
  constexpr std::integral_constant<Index, 1> one;
  constexpr std::integral_constant<Index, 4> four;
  if (Measured || components >= wide) {
    sweep(std::integral_constant<Index, 3>(), four);
    sweep(one, four);
  } else {
    sweep(std::integral_constant<Index, 6>(), one);
    sweep(std::integral_constant<Index, 2>(), one);
    sweep(one, one);
  }
}

template <class T>
void sweep_coordinates_of(T* f, const T* p, Index rows, Index stride, const T* gram, Index components,
                          const Index* order, T* violations) {
  sweep_all<false, T>(f, p, rows, stride, gram, components, order, violations, nullptr);
}

template <class T>
void sweep_and_measure_of(T* f, const T* p, Index rows, Index stride, const T* gram, Index components,
                          const Index* order, T* violations, T* changes) {
  sweep_all<true, T>(f, p, rows, stride, gram, components, order, violations, changes);
}

/// gradients = G·f, V vectors from `gradients` on.
template <Index V, class T>
HWY_INLINE void multiply_vectors(const T* f, const T* gram, Index stride, Index components, T* gradients) {
  const Vector<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  Lanes<T> sums[static_cast<std::size_t>(V)];
  for (Index v = 0; v < V; ++v) sums[v] = hn::Zero(d);
  for (Index r = 0; r < components; ++r) {
    const auto value = hn::Set(d, f[r]);
    for (Index v = 0; v < V; ++v) sums[v] = hn::MulAdd(value, hn::LoadU(d, gram + r * stride + v * lanes), sums[v]);
  }
  for (Index v = 0; v < V; ++v) hn::StoreU(sums[v], d, gradients + v * lanes);
}

/// All gradients are kept: what a coordinate changes of them is added, a row of G at a time.
template <class T>
double sweep_row_of(T* f, const T* p, T l1, const T* gram, Index stride, Index components, const Index* order,
                    T* gradients) {
  const Vector<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  Index v = 0;
  for (; v + 4 * lanes <= stride; v += 4 * lanes) multiply_vectors<4>(f, gram + v, stride, components, gradients + v);
  for (; v < stride; v += lanes) multiply_vectors<1>(f, gram + v, stride, components, gradients + v);
  for (Index c = 0; c < components; ++c) gradients[c] = gradients[c] - p[c] + l1;
  double violation = 0;
  for (Index at = 0; at < components; ++at) {
    const Index t = order[at];
    const T gradient = gradients[t];
    const T* const row = gram + t * stride;
    violation += static_cast<double>(std::abs(f[t] == T{0} ? std::min(gradient, T{0}) : gradient));
    if (row[t] == T{0}) continue;
    const T updated = std::max(f[t] - gradient / row[t], T{0});
    const auto change = hn::Set(d, updated - f[t]);
    f[t] = updated;
    for (Index c = 0; c < stride; c += lanes)
      hn::StoreU(hn::MulAdd(change, hn::LoadU(d, row + c), hn::LoadU(d, gradients + c)), d, gradients + c);
  }
  return violation;
}

template <class T>
constexpr kernels::SweepKernels<T> table{&sweep_coordinates_of<T>, &sweep_row_of<T>, &sweep_and_measure_of<T>};
const kernels::SweepKernels<float>& sweeps_float() { return table<float>; }
const kernels::SweepKernels<double>& sweeps_double() { return table<double>; }

}  // namespace scanmf::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scanmf {
HWY_EXPORT(sweeps_float);
HWY_EXPORT(sweeps_double);

namespace kernels {

template <>
const SweepKernels<float>& sweeps<float>() {
  static const SweepKernels<float>& chosen = HWY_DYNAMIC_DISPATCH(sweeps_float)();
  return chosen;
}
template <>
const SweepKernels<double>& sweeps<double>() {
  static const SweepKernels<double>& chosen = HWY_DYNAMIC_DISPATCH(sweeps_double)();
  return chosen;
}

}  // namespace kernels
}  // namespace scanmf
#endif
