// Which elements of X are observed: copies without the others, bits, lists.
#include <algorithm>
#include <cstdint>

#include "linalg/kernels.hpp"
#include "linalg/strips.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "linalg/observed_kernels.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
// after highway.h
#include "linalg/vectors-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace scanmf::HWY_NAMESPACE {

template <class T>
void copy_of(const T* x, Index count, T* to) {
  const Vector<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  Index i = 0;
  for (; i + lanes <= count; i += lanes) {
    const auto values = hn::LoadU(d, x + i);
    hn::StoreU(hn::IfThenElseZero(observed_lanes<Observed::not_nan, T>(d, values), values), d, to + i);
  }
  for (; i < count; ++i) to[i] = is_observed(Observed::not_nan, x[i]) ? x[i] : T{0};
}

template <Observed observed, class T>
void bits_of_rows(const T* x, Index rows, Index width, std::uint64_t* bits) {
  for (Index r = 0; r < rows; ++r) bits[r] = bits_of_observed<observed, T>(x + r * width, width);
}

template <class T>
void bits_of(Observed observed, const T* x, Index rows, Index width, std::uint64_t* bits) {
  if (observed == Observed::not_nan)
    bits_of_rows<Observed::not_nan, T>(x, rows, width, bits);
  else if (observed == Observed::not_zero)
    bits_of_rows<Observed::not_zero, T>(x, rows, width, bits);
  else
    std::fill_n(bits, rows, ~std::uint64_t{0});
}

template <Observed observed, class T>
Index list_of_missing(const T* strips, Index rows, Index row, Index columns, std::int32_t* list) {
  const Vector<T> d;
  const hn::RebindToSigned<Vector<T>> numbers;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  using Number = hn::TFromD<decltype(numbers)>;
  Index count = 0;
  for (Index begin = 0; begin < columns; begin += strip_columns<T>) {
    const Index width = strip_width<T>(begin, columns);
    const T* const x = strips + begin * rows + row * width;
    for (Index j = 0; j < std::min(width, columns - begin); j += lanes) {
      auto missing = hn::Not(observed_lanes<observed, T>(d, hn::LoadU(d, x + j)));
      const Index left = columns - begin - j;
      if (left < lanes) missing = hn::And(missing, hn::FirstN(d, static_cast<std::size_t>(left)));
      const auto found =
          hn::Compress(hn::Iota(numbers, static_cast<Number>(begin + j)), hn::RebindMask(numbers, missing));
      if constexpr (sizeof(T) == sizeof(std::int32_t)) {
        hn::StoreU(found, numbers, list + count);
      } else {
        HWY_ALIGN Number wide[64 / sizeof(T)];
        hn::Store(found, numbers, wide);
        for (Index i = 0; i < lanes; ++i) list[count + i] = static_cast<std::int32_t>(wide[i]);
      }
      count += static_cast<Index>(hn::CountTrue(d, missing));
    }
  }
  return count;
}

template <class T>
Index list_missing_of(Observed observed, const T* strips, Index rows, Index row, Index columns, std::int32_t* list) {
  if (observed == Observed::all) return 0;
  return observed == Observed::not_nan ? list_of_missing<Observed::not_nan, T>(strips, rows, row, columns, list)
                                       : list_of_missing<Observed::not_zero, T>(strips, rows, row, columns, list);
}

template <class T>
constexpr kernels::ObservedKernels<T> table{&copy_of<T>, &bits_of<T>, &list_missing_of<T>};
const kernels::ObservedKernels<float>& observed_float() { return table<float>; }
const kernels::ObservedKernels<double>& observed_double() { return table<double>; }

}  // namespace scanmf::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scanmf {
HWY_EXPORT(observed_float);
HWY_EXPORT(observed_double);

namespace kernels {

template <>
const ObservedKernels<float>& observed<float>() {
  static const ObservedKernels<float>& chosen = HWY_DYNAMIC_DISPATCH(observed_float)();
  return chosen;
}
template <>
const ObservedKernels<double>& observed<double>() {
  static const ObservedKernels<double>& chosen = HWY_DYNAMIC_DISPATCH(observed_double)();
  return chosen;
}

}  // namespace kernels
}  // namespace scanmf
#endif
