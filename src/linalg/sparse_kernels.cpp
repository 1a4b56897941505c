// One sparse row of X against a factor whose rows are padded to whole cache lines: gathers of rows, up to eight vectors
// of components in registers.
#include "linalg/kernels.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "linalg/sparse_kernels.cpp"
#include "hwy/cache_control.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
// after highway.h
#include "linalg/vectors-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace scanmf::HWY_NAMESPACE {

constexpr Index prefetch_distance = 16;  // non-zeros ahead

template <Index V, class T>
HWY_INLINE void prefetch_rows(Vector<T> d, const std::int32_t* column, Index t, Index known, const T* rows,
                              Index stride) {
  if (t + prefetch_distance >= known) return;
  const T* const ahead = rows + column[t + prefetch_distance] * stride;
  constexpr Index line = 64 / static_cast<Index>(sizeof(T));
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  for (Index c = 0; c < V * lanes; c += line) hwy::Prefetch(ahead + c);
}

template <Index V, class T>
HWY_NOINLINE void project_part(const std::int32_t* column, const T* value, Index count, Index known, const T* h,
                               Index stride, T* p) {
  const Vector<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  Lanes<T> sums[std::size_t{V}];
  for (Index v = 0; v < V; ++v) sums[v] = hn::Zero(d);
  for (Index t = 0; t < count; ++t) {  // one chain: the order in which a plain loop sums, and scikit-learn
    prefetch_rows<V, T>(d, column, t, known, h, stride);
    const auto x = hn::Set(d, value[t]);
    const T* const h_row = h + column[t] * stride;
    for (Index v = 0; v < V; ++v) sums[v] = hn::MulAdd(x, hn::Load(d, h_row + v * lanes), sums[v]);
  }
  for (Index v = 0; v < V; ++v) hn::StoreU(sums[v], d, p + v * lanes);
}

/// Sums to p and r, from zero or what is there, with one or `other` as the second value.
template <Index V, bool with_other, bool from_zero, class T>
HWY_INLINE void sum_rows_twice(const std::int32_t* column, const T* value, const T* other, Index count, Index known,
                               const T* h, Index stride, T* p, T* r) {
  const Vector<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  Lanes<T> sums[std::size_t{V}];
  Lanes<T> others[std::size_t{V}];
  for (Index v = 0; v < V; ++v) {
    sums[v] = from_zero ? hn::Zero(d) : hn::LoadU(d, p + v * lanes);
    others[v] = from_zero ? hn::Zero(d) : hn::LoadU(d, r + v * lanes);
  }
  for (Index t = 0; t < count; ++t) {
    prefetch_rows<V, T>(d, column, t, known, h, stride);
    const auto one = hn::Set(d, value[t]);
    const auto two = hn::Set(d, with_other ? other[t] : T{1});
    const T* const h_row = h + column[t] * stride;
    for (Index v = 0; v < V; ++v) {
      const auto h_values = hn::Load(d, h_row + v * lanes);
      sums[v] = hn::MulAdd(one, h_values, sums[v]);
      others[v] = with_other ? hn::MulAdd(two, h_values, others[v]) : hn::Add(h_values, others[v]);
    }
  }
  for (Index v = 0; v < V; ++v) {
    hn::StoreU(sums[v], d, p + v * lanes);
    hn::StoreU(others[v], d, r + v * lanes);
  }
}

template <Index V, bool with_other, class T>
HWY_NOINLINE void project_part_twice(const std::int32_t* column, const T* value, const T* other, Index count,
                                     Index known, const T* h, Index stride, T* p, T* r) {
  sum_rows_twice<V, with_other, true>(column, value, other, count, known, h, stride, p, r);
}

template <Index V, bool with_other, class T>
HWY_NOINLINE void accumulate_columns_part(const std::int32_t* end, Index columns, const std::int32_t* row,
                                          const T* value, const T* other, const T* w, Index stride, T* acc,
                                          T* other_acc) {
  Index begin = 0;
  for (Index j = 0; j < columns; ++j) {
    const Index count = end[j] - begin;
    if (count > 0)
      sum_rows_twice<V, with_other, false>(row + begin, value + begin, with_other ? other + begin : nullptr, count,
                                           end[columns - 1] - begin, w, stride, acc + j * stride,
                                           other_acc + j * stride);
    begin = end[j];
  }
}

template <Index V, class T>
HWY_NOINLINE void accumulate_part(const std::int32_t* column, const T* value, Index count, Index known, const T* w,
                                  Index stride, T* acc) {
  const Vector<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  Lanes<T> w_values[std::size_t{V}];
  for (Index v = 0; v < V; ++v) w_values[v] = hn::LoadU(d, w + v * lanes);
  for (Index t = 0; t < count; ++t) {
    prefetch_rows<V, T>(d, column, t, known, acc, stride);
    const auto x = hn::Set(d, value[t]);
    T* const row = acc + column[t] * stride;
    for (Index v = 0; v < V; ++v)
      hn::Store(hn::MulAdd(x, w_values[v], hn::Load(d, row + v * lanes)), d, row + v * lanes);
  }
}

template <Index V, class T>
HWY_NOINLINE void accumulate_part_twice(const std::int32_t* column, const T* value, const T* other, Index count,
                                        Index known, const T* w, Index stride, T* acc, T* other_acc) {
  const Vector<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  Lanes<T> w_values[std::size_t{V}];
  for (Index v = 0; v < V; ++v) w_values[v] = hn::LoadU(d, w + v * lanes);
  const auto add = [&](const auto& x, T* row) HWY_ATTR {
    for (Index v = 0; v < V; ++v)
      hn::Store(hn::MulAdd(x, w_values[v], hn::Load(d, row + v * lanes)), d, row + v * lanes);
  };
  for (Index t = 0; t < count; ++t) {
    prefetch_rows<V, T>(d, column, t, known, acc, stride);
    prefetch_rows<V, T>(d, column, t, known, other_acc, stride);
    add(hn::Set(d, value[t]), acc + column[t] * stride);
    add(hn::Set(d, other[t]), other_acc + column[t] * stride);
  }
}

/// As many non-zeros at a time as a vector has lanes: their sums across lanes come out as one vector.
template <Index V, class T>
HWY_NOINLINE void product_part(const std::int32_t* column, Index count, Index known, const T* w, const T* h,
                               Index stride, T* y, bool add) {
  const Vector<T> d;
  constexpr Index lanes = static_cast<Index>(hn::MaxLanes(Vector<T>()));
  Lanes<T> w_values[std::size_t{V}];
  for (Index v = 0; v < V; ++v) w_values[v] = hn::LoadU(d, w + v * lanes);
  Lanes<T> products[std::size_t{lanes}];
  const auto multiply = [&](Index t, Index i) HWY_ATTR {
    prefetch_rows<V, T>(d, column, t, known, h, stride);
    const T* const h_row = h + column[t] * stride;
    products[i] = hn::Mul(w_values[0], hn::Load(d, h_row));
    for (Index v = 1; v < V; ++v) products[i] = hn::MulAdd(w_values[v], hn::Load(d, h_row + v * lanes), products[i]);
  };
  Index t = 0;
  for (; t + lanes <= count; t += lanes) {
    for (Index i = 0; i < lanes; ++i) multiply(t + i, i);
    const auto total = sums_of_lanes<lane_levels<T>, T>(d, products);
    hn::StoreU(add ? hn::Add(hn::LoadU(d, y + t), total) : total, d, y + t);
  }
  if (t == count) return;
  for (Index i = 0; i < lanes; ++i) {
    products[i] = hn::Zero(d);
    if (t + i < count) multiply(t + i, i);
  }
  HWY_ALIGN T rest[std::size_t{lanes}];
  hn::Store(sums_of_lanes<lane_levels<T>, T>(d, products), d, rest);
  for (Index i = 0; t + i < count; ++i) y[t + i] = add ? y[t + i] + rest[i] : rest[i];
}

/// Calls part<V>(offset) for vectors of components, at most so many (eight or fewer) at a time.
template <class T, class Part>
HWY_INLINE void in_parts(Index stride, Part&& part, Index most = 8) {
  const Index lanes = static_cast<Index>(hn::Lanes(Vector<T>()));
  for (Index c = 0; c < stride;) {
    const Index vectors = std::min(most, (stride - c) / lanes);
    const auto run = [&]<Index V>() {
      part.template operator()<V>(c);
      c += V * lanes;
    };
    if (vectors >= 8)
      run.template operator()<8>();
    else if (vectors == 7)
      run.template operator()<7>();
    else if (vectors == 6)
      run.template operator()<6>();
    else if (vectors == 5)
      run.template operator()<5>();
    else if (vectors == 4)
      run.template operator()<4>();
    else if (vectors == 3)
      run.template operator()<3>();
    else if (vectors == 2)
      run.template operator()<2>();
    else
      run.template operator()<1>();
  }
}

template <class T>
void project_row_of(const std::int32_t* column, const T* value, Index count, Index known, const T* h, Index stride,
                    T* p) {
  in_parts<T>(stride, [&]<Index V>(Index c) { project_part<V>(column, value, count, known, h + c, stride, p + c); });
}
constexpr Index most_of_two = 4;  // vectors of components where there are two sums of each

template <class T>
void project_row_twice_of(const std::int32_t* column, const T* value, const T* other, Index count, Index known,
                          const T* h, Index stride, T* p, T* r) {
  in_parts<T>(
      stride,
      [&]<Index V>(Index c) {
        const auto part = other != nullptr ? &project_part_twice<V, true, T> : &project_part_twice<V, false, T>;
        part(column, value, other, count, known, h + c, stride, p + c, r + c);
      },
      most_of_two);
}
template <class T>
void accumulate_columns_of(const std::int32_t* end, Index columns, const std::int32_t* row, const T* value,
                           const T* other, const T* w, Index stride, T* acc, T* other_acc) {
  in_parts<T>(
      stride,
      [&]<Index V>(Index c) {
        const auto part =
            other != nullptr ? &accumulate_columns_part<V, true, T> : &accumulate_columns_part<V, false, T>;
        part(end, columns, row, value, other, w + c, stride, acc + c, other_acc + c);
      },
      most_of_two);
}
template <class T>
void accumulate_row_of(const std::int32_t* column, const T* value, Index count, Index known, const T* w, Index stride,
                       T* acc) {
  in_parts<T>(stride,
              [&]<Index V>(Index c) { accumulate_part<V>(column, value, count, known, w + c, stride, acc + c); });
}
template <class T>
void accumulate_row_twice_of(const std::int32_t* column, const T* value, const T* other, Index count, Index known,
                             const T* w, Index stride, T* acc, T* other_acc) {
  in_parts<T>(stride, [&]<Index V>(Index c) {
    accumulate_part_twice<V>(column, value, other, count, known, w + c, stride, acc + c, other_acc + c);
  });
}
template <class T>
void product_at_of(const std::int32_t* column, Index count, Index known, const T* w, const T* h, Index stride, T* y) {
  in_parts<T>(stride, [&]<Index V>(Index c) { product_part<V>(column, count, known, w + c, h + c, stride, y, c > 0); });
}

template <class T>
constexpr kernels::SparseKernels<T> table{&project_row_of<T>,          &project_row_twice_of<T>,  &accumulate_row_of<T>,
                                          &accumulate_row_twice_of<T>, &accumulate_columns_of<T>, &product_at_of<T>};
const kernels::SparseKernels<float>& sparse_float() { return table<float>; }
const kernels::SparseKernels<double>& sparse_double() { return table<double>; }

}  // namespace scanmf::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scanmf {
HWY_EXPORT(sparse_float);
HWY_EXPORT(sparse_double);

namespace kernels {

template <>
const SparseKernels<float>& sparse<float>() {
  static const SparseKernels<float>& chosen = HWY_DYNAMIC_DISPATCH(sparse_float)();
  return chosen;
}
template <>
const SparseKernels<double>& sparse<double>() {
  static const SparseKernels<double>& chosen = HWY_DYNAMIC_DISPATCH(sparse_double)();
  return chosen;
}

}  // namespace kernels
}  // namespace scanmf
#endif
