// Sums of those rows of a factor that a mask names, by looking up the sums of all subsets of a few rows: a permutation
// of one register and an addition take the place of as many multiplications as a subset has members (the method of the
// four Russians; Arlazarov, Dinic, Kronrod & Faradzhev 1970).
#include <algorithm>
#include <cstdint>

#include "linalg/kernels.hpp"
#include "scanmf/linalg/operations.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "linalg/subset_kernels.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
// after highway.h
#include "linalg/vectors-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace scanmf::HWY_NAMESPACE {

/// 2^members lanes are a vector. With four lanes a look-up would cost what it saves.
template <class T>
constexpr Index members = lane_levels<T> >= 3 ? lane_levels<T> : 0;

#if HWY_TARGET != HWY_SCALAR

// 24 accumulators where there are 32 registers, 8 where there are 16.
constexpr bool has_32_registers = (HWY_TARGET & (HWY_AVX3 | HWY_NEON)) != 0;
constexpr Index looked_up_components = 4;
constexpr Index looked_up_vectors = has_32_registers ? 6 : 2;
constexpr Index rows_at_a_time = 96;  // a multiple of 3 and 4 members, and of all vectors

/// The number of a subset, of the size of an element.
template <class T>
using Subset = hwy::MakeSigned<T>;
template <class T>
constexpr Index most_groups = (std::max(rows_at_a_time, strip_columns<T>) + members<T> - 1) / members<T>;

template <class T>
void sums_of_subsets_of(const T* values, Index term_stride, Index component_stride, Index terms, Index components,
                        T* sums) {
  const Vector<T> d;
  const hn::RebindToSigned<Vector<T>> numbers;
  const auto lane = hn::Iota(numbers, 0);
  for (Index first = 0; first < terms; first += members<T>) {
    const Index count = std::min(members<T>, terms - first);
    for (Index c = 0; c < components; ++c, sums += hn::Lanes(d)) {
      auto sum = hn::Zero(d);
      for (Index b = 0; b < count; ++b) {
        const auto bit = hn::Set(numbers, Subset<T>{1} << b);
        const auto is_member =
            hn::MaskFromVec(hn::BitCast(d, hn::VecFromMask(numbers, hn::Eq(hn::And(lane, bit), bit))));
        const auto value = hn::Set(d, values[(first + b) * term_stride + c * component_stride]);
        sum = hn::Add(sum, hn::IfThenElseZero(is_member, value));
      }
      hn::StoreU(sum, d, sums);
    }
  }
}

/// out[c·out_stride + l] += Σ over groups of sums(group, c)[subset(group, l)], C components × V vectors of lanes l.
template <Index C, Index V, class T>
HWY_INLINE void look_up_block(const Subset<T>* subsets, Index stride, Index groups, const T* sums, Index components,
                              T* out, Index out_stride) {
  const Vector<T> d;
  const hn::RebindToSigned<Vector<T>> numbers;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  Lanes<T> totals[std::size_t{C}][std::size_t{V}];
  HWY_UNROLL(8)
  for (Index c = 0; c < C; ++c) HWY_UNROLL(8)
  for (Index v = 0; v < V; ++v) totals[c][v] = hn::Zero(d);
  for (Index g = 0; g < groups; ++g, subsets += stride, sums += components * lanes) {
    decltype(hn::IndicesFromVec(d, hn::Zero(numbers))) chosen[std::size_t{V}];
    HWY_UNROLL(8)
    for (Index v = 0; v < V; ++v) chosen[v] = hn::IndicesFromVec(d, hn::LoadU(numbers, subsets + v * lanes));
    HWY_UNROLL(8)
    for (Index c = 0; c < C; ++c) {
      const auto of_subsets = hn::LoadU(d, sums + c * lanes);
      HWY_UNROLL(8)
      for (Index v = 0; v < V; ++v) totals[c][v] = hn::Add(totals[c][v], hn::TableLookupLanes(of_subsets, chosen[v]));
    }
  }
  HWY_UNROLL(8)
  for (Index c = 0; c < C; ++c) HWY_UNROLL(8)
  for (Index v = 0; v < V; ++v) {
    T* const to = out + c * out_stride + v * lanes;
    hn::StoreU(hn::Add(hn::LoadU(d, to), totals[c][v]), d, to);
  }
}

template <Index V, class T>
HWY_NOINLINE void look_up_vectors(const Subset<T>* subsets, Index stride, Index groups, const T* sums, Index components,
                                  T* out, Index out_stride) {
  const Index lanes = static_cast<Index>(hn::Lanes(Vector<T>()));
  Index c = 0;
  for (; c + looked_up_components <= components; c += looked_up_components)
    look_up_block<looked_up_components, V, T>(subsets, stride, groups, sums + c * lanes, components,
                                              out + c * out_stride, out_stride);
  for (; c < components; ++c)
    look_up_block<1, V, T>(subsets, stride, groups, sums + c * lanes, components, out + c * out_stride, out_stride);
}

/// The same for `width` lanes.
template <class T>
void look_up(const Subset<T>* subsets, Index stride, Index width, Index groups, const T* sums, Index components, T* out,
             Index out_stride) {
  const Index lanes = static_cast<Index>(hn::Lanes(Vector<T>()));
  Index l = 0;
  for (; l + looked_up_vectors * lanes <= width; l += looked_up_vectors * lanes)
    look_up_vectors<looked_up_vectors, T>(subsets + l, stride, groups, sums, components, out + l, out_stride);
  for (; has_32_registers && l + 4 * lanes <= width; l += 4 * lanes)
    look_up_vectors<4, T>(subsets + l, stride, groups, sums, components, out + l, out_stride);
  for (; l + 2 * lanes <= width; l += 2 * lanes)
    look_up_vectors<2, T>(subsets + l, stride, groups, sums, components, out + l, out_stride);
  for (; l < width; l += lanes)
    look_up_vectors<1, T>(subsets + l, stride, groups, sums, components, out + l, out_stride);
}

/// Which columns of each row are observed: of row r and the group g of columns at subsets[g·rows_at_a_time + r]; rows
/// of padding have the empty subset.
template <Observed observed, class T>
void subsets_of_rows(const T* x, Index rows, Index width, Subset<T>* subsets) {
  const Vector<T> d;
  const hn::RebindToUnsigned<Vector<T>> numbers;
  const hn::RebindToSigned<Vector<T>> subset_numbers;
  using Number = hn::TFromD<decltype(numbers)>;
  constexpr Index groups_a_word = 8 * static_cast<Index>(sizeof(T)) / members<T>;
  constexpr Index words = (strip_columns<T> + groups_a_word * members<T> - 1) / (groups_a_word * members<T>);
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  HWY_ALIGN Number bits_of[std::size_t{words}][std::size_t{rows_at_a_time}] = {};
  for (Index r = 0; r < rows; ++r) {
    const std::uint64_t bits = bits_of_observed<observed, T>(x + r * width, width);
    for (Index w = 0; w < words; ++w) bits_of[w][r] = static_cast<Number>(bits >> (w * groups_a_word * members<T>));
  }
  const auto all_members = hn::Set(numbers, static_cast<Number>((1 << members<T>)-1));
  for (Index g = 0; g * members<T> < width; ++g) {
    const auto shift = static_cast<int>(g % groups_a_word * members<T>);
    for (Index r = 0; r < rows; r += lanes) {
      const auto bits = hn::ShiftRightSame(hn::LoadU(numbers, bits_of[g / groups_a_word] + r), shift);
      hn::StoreU(hn::BitCast(subset_numbers, hn::And(bits, all_members)), subset_numbers,
                 subsets + g * rows_at_a_time + r);
    }
  }
}

/// Which rows of each column are observed: of column j and the group g of rows at subsets[g·width + j].
template <Observed observed, class T>
void subsets_of_columns(const T* x, Index rows, Index width, Subset<T>* subsets) {
  const Vector<T> d;
  const hn::RebindToSigned<Vector<T>> numbers;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  for (Index first = 0; first < rows; first += members<T>, subsets += width) {
    const Index count = std::min(members<T>, rows - first);
    for (Index j = 0; j < width; j += lanes) {
      auto subset = hn::Zero(numbers);
      for (Index b = 0; b < count; ++b) {
        const auto seen = observed_lanes<observed, T>(d, hn::LoadU(d, x + (first + b) * width + j));
        const auto bit = hn::BitCast(d, hn::Set(numbers, Subset<T>{1} << b));
        subset = hn::Or(subset, hn::BitCast(numbers, hn::IfThenElseZero(seen, bit)));
      }
      hn::StoreU(subset, numbers, subsets + j);
    }
  }
}

template <Observed observed, class T>
void add_to_rows(const T* x, Index rows, Index width, const T* sums, Index components, T* out, Index out_stride) {
  HWY_ALIGN Subset<T> subsets[static_cast<std::size_t>(most_groups<T> * rows_at_a_time)];
  const Index groups = (width + members<T> - 1) / members<T>;
  for (Index first = 0; first < rows; first += rows_at_a_time) {
    const Index count = std::min(rows_at_a_time, rows - first);
    subsets_of_rows<observed, T>(x + first * width, count, width, subsets);
    const Index lanes = static_cast<Index>(hn::Lanes(Vector<T>()));
    look_up<T>(subsets, rows_at_a_time, (count + lanes - 1) / lanes * lanes, groups, sums, components, out + first,
               out_stride);
  }
}

template <Observed observed, class T>
void add_to_columns(const T* x, Index rows, Index width, const T* sums, Index components, T* out) {
  HWY_ALIGN Subset<T> subsets[static_cast<std::size_t>(most_groups<T> * strip_columns<T>)];
  const Index lanes = static_cast<Index>(hn::Lanes(Vector<T>()));
  for (Index first = 0; first < rows; first += rows_at_a_time) {
    const Index count = std::min(rows_at_a_time, rows - first);
    subsets_of_columns<observed, T>(x + first * width, count, width, subsets);
    look_up<T>(subsets, width, width, (count + members<T> - 1) / members<T>,
               sums + first / members<T> * components * lanes, components, out, width);
  }
}

template <class T>
void add_to_rows_of(Observed observed, const T* x, Index rows, Index width, const T* sums, Index components, T* out,
                    Index out_stride) {
  const auto add =
      observed == Observed::not_nan ? &add_to_rows<Observed::not_nan, T> : &add_to_rows<Observed::not_zero, T>;
  add(x, rows, width, sums, components, out, out_stride);
}

template <class T>
void add_to_columns_of(Observed observed, const T* x, Index rows, Index width, const T* sums, Index components,
                       T* out) {
  const auto add =
      observed == Observed::not_nan ? &add_to_columns<Observed::not_nan, T> : &add_to_columns<Observed::not_zero, T>;
  add(x, rows, width, sums, components, out);
}

#endif

template <class T>
constexpr kernels::SubsetKernels<T> subset_table() {
#if HWY_TARGET != HWY_SCALAR
  if constexpr (members < T >> 0)
    return {members<T>, Index{1} << members<T>, &sums_of_subsets_of<T>, &add_to_rows_of<T>, &add_to_columns_of<T>};
#endif
  return {};
}
template <class T>
constexpr kernels::SubsetKernels<T> table = subset_table<T>();
const kernels::SubsetKernels<float>& subsets_float() { return table<float>; }
const kernels::SubsetKernels<double>& subsets_double() { return table<double>; }

}  // namespace scanmf::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scanmf {
HWY_EXPORT(subsets_float);
HWY_EXPORT(subsets_double);

namespace kernels {

template <>
const SubsetKernels<float>& subsets<float>() {
  static const SubsetKernels<float>& chosen = HWY_DYNAMIC_DISPATCH(subsets_float)();
  return chosen;
}
template <>
const SubsetKernels<double>& subsets<double>() {
  static const SubsetKernels<double>& chosen = HWY_DYNAMIC_DISPATCH(subsets_double)();
  return chosen;
}

}  // namespace kernels
}  // namespace scanmf
#endif
