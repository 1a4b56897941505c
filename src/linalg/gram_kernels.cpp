// Sums of products of those rows of a factor that a list names: blocks of the result stay in registers while the list
// is gone through, once a block.
#include <algorithm>
#include <cstdint>

#include "linalg/kernels.hpp"
#include "scanmf/linalg/gram_layout.hpp"
#include "scanmf/linalg/operations.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "linalg/gram_kernels.cpp"
#include "hwy/cache_control.h"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
// after highway.h
#include "linalg/vectors-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace scanmf::HWY_NAMESPACE {

// R rows × V vectors of the result: 24 accumulators at most where there are 32 registers, 12 where there are 16.
constexpr bool plenty_of_registers = (HWY_TARGET & (HWY_AVX3 | HWY_NEON)) != 0;
constexpr Index gram_rows = plenty_of_registers ? 8 : 4;
constexpr Index gram_vectors = 3;

template <class T>
using ListedRows = kernels::ListedRows<T>;

/// Row q + fetched_ahead of the list is brought into the cache while row q is multiplied.
constexpr Index fetched_ahead = 16;

template <class T>
HWY_INLINE void fetch(const ListedRows<T>& rows, Index row) {
  constexpr Index line = 64 / static_cast<Index>(sizeof(T));
  const Index at = row * rows.stride;
  for (Index c = 0; c < rows.stride; c += line) hwy::Prefetch(rows.b + at + c);
  if (rows.a != rows.b)
    for (Index c = 0; c < rows.stride; c += line) hwy::Prefetch(rows.a + at + c);
}

/// Result (r, v) of R rows × V vectors: from `initial`, zero where it is null.
template <Index R, Index V, bool subtract, class T>
HWY_NOINLINE void sum_block(const ListedRows<T>& rows, Index a_column, Index b_column, const T* initial, T* sums,
                            Index length) {
  const Vector<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  Lanes<T> totals[std::size_t{R}][std::size_t{V}];
  HWY_UNROLL(16)
  for (Index r = 0; r < R; ++r) HWY_UNROLL(8)
  for (Index v = 0; v < V; ++v)
    totals[r][v] = initial == nullptr ? hn::Zero(d) : hn::LoadU(d, initial + r * length + v * lanes);
  const bool is_first = a_column == 0 && b_column == 0;  // block of the result
  const Index fetching = is_first ? rows.known - fetched_ahead : 0;
  const T* const a = rows.a + a_column;
  const T* const b = rows.b + b_column;
  for (Index q = 0; q < rows.count; ++q) {
    if (q < fetching) fetch(rows, rows.list[q + fetched_ahead]);
    const Index at = rows.list[q] * rows.stride;
    Lanes<T> right[std::size_t{V}];
    HWY_UNROLL(8)
    for (Index v = 0; v < V; ++v) right[v] = hn::LoadU(d, b + at + v * lanes);
    HWY_UNROLL(16)
    for (Index r = 0; r < R; ++r) {
      const auto left = hn::Set(d, a[at + r]);
      HWY_UNROLL(8)
      for (Index v = 0; v < V; ++v)
        totals[r][v] =
            subtract ? hn::NegMulAdd(left, right[v], totals[r][v]) : hn::MulAdd(left, right[v], totals[r][v]);
    }
  }
  HWY_UNROLL(16)
  for (Index r = 0; r < R; ++r) HWY_UNROLL(8)
  for (Index v = 0; v < V; ++v) hn::StoreU(totals[r][v], d, sums + r * length + v * lanes);
}

/// R rows of the result, from row `row` and column `column` on, `vectors` of them.
template <Index R, bool subtract, class T>
void sum_rows(const ListedRows<T>& rows, Index row, Index column, Index vectors, const T* initial, T* sums,
              Index length) {
  const Index lanes = static_cast<Index>(hn::Lanes(Vector<T>()));
  for (Index v = 0; v < vectors;) {
    const Index left = vectors - v;
    const Index from = v * lanes;
    const T* const begin = initial == nullptr ? nullptr : initial + from;
    if constexpr (R <= 4 && plenty_of_registers)
      if (left == 4 || left == 8) {
        sum_block<R, 4, subtract, T>(rows, row, column + from, begin, sums + from, length);
        v += 4;
        continue;
      }
    const Index width = left == gram_vectors + 1 ? 2 : std::min(left, gram_vectors);  // 2 + 2, not 3 + 1
    if (width == 3)
      sum_block<R, 3, subtract, T>(rows, row, column + from, begin, sums + from, length);
    else if (width == 2)
      sum_block<R, 2, subtract, T>(rows, row, column + from, begin, sums + from, length);
    else
      sum_block<R, 1, subtract, T>(rows, row, column + from, begin, sums + from, length);
    v += width;
  }
}

/// As many rows of one vector as are left, at most R, in one go through the list: the fewer accumulators, the longer
/// they wait for each other. Returns how many.
template <Index R, bool subtract, class T>
Index sum_rows_of_one_vector(const ListedRows<T>& rows, Index row, Index column, Index left, const T* initial, T* sums,
                             Index length) {
  if constexpr (R > 1)
    if (left < R) return sum_rows_of_one_vector<R - 1, subtract>(rows, row, column, left, initial, sums, length);
  sum_block<R, 1, subtract>(rows, row, column, initial, sums, length);
  return R;
}

template <bool subtract, class T>
void sum_listed(const ListedRows<T>& rows, Index components, const T* initial, T* sums) {
  const GramLayout<T> layout(components);
  const Index lanes = static_cast<Index>(hn::Lanes(Vector<T>()));
  for (Index row = 0; row < components;) {
    const Index block_end = row < layout.whole() ? row / layout.block * layout.block + layout.block : components;
    const Index column = layout.first_column(row);
    const Index length = layout.length(row);
    const Index vectors = length / lanes;
    T* const to = sums + layout.row(row);
    const T* const from = initial == nullptr ? nullptr : initial + layout.row(row);
    const Index left = block_end - row;
    if (vectors == 1) {
      row += sum_rows_of_one_vector<2 * gram_rows, subtract>(rows, row, column, left, from, to, length);
    } else if (left >= gram_rows) {
      sum_rows<gram_rows, subtract, T>(rows, row, column, vectors, from, to, length);
      row += gram_rows;
    } else if (left >= 4) {
      sum_rows<4, subtract, T>(rows, row, column, vectors, from, to, length);
      row += 4;
    } else if (left >= 2) {
      sum_rows<2, subtract, T>(rows, row, column, vectors, from, to, length);
      row += 2;
    } else {
      sum_rows<1, subtract, T>(rows, row, column, vectors, from, to, length);
      row += 1;
    }
  }
}

template <class T>
void sum_of_listed(const ListedRows<T>& rows, Index components, T* sums) {
  sum_listed<false, T>(rows, components, nullptr, sums);
}

template <class T>
void without_listed(const ListedRows<T>& rows, Index components, const T* full, T* sums) {
  sum_listed<true, T>(rows, components, full, sums);
}

template <class T>
constexpr kernels::GramKernels<T> table = {&sum_of_listed<T>, &without_listed<T>};
const kernels::GramKernels<float>& grams_float() { return table<float>; }
const kernels::GramKernels<double>& grams_double() { return table<double>; }

}  // namespace scanmf::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scanmf {
HWY_EXPORT(grams_float);
HWY_EXPORT(grams_double);

namespace kernels {

template <>
const GramKernels<float>& grams<float>() {
  static const GramKernels<float>& chosen = HWY_DYNAMIC_DISPATCH(grams_float)();
  return chosen;
}
template <>
const GramKernels<double>& grams<double>() {
  static const GramKernels<double>& chosen = HWY_DYNAMIC_DISPATCH(grams_double)();
  return chosen;
}

}  // namespace kernels
}  // namespace scanmf
#endif
