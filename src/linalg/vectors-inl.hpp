// Vectors of the kernels, and sums across the lanes of several of them at once. Included by each kernel file once per
// instruction set, after highway.h.
#include <bit>
#include <cstdint>

#if defined(SCANMF_VECTORS_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef SCANMF_VECTORS_INL
#undef SCANMF_VECTORS_INL
#else
#define SCANMF_VECTORS_INL
#endif

HWY_BEFORE_NAMESPACE();
namespace scanmf::HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

template <class T>
using Vector = hn::CappedTag<T, 64 / sizeof(T)>;
template <class T>
using Lanes = hn::Vec<Vector<T>>;

/// Whether each of some elements is observed.
template <Observed observed, class T>
HWY_INLINE hn::Mask<Vector<T>> observed_lanes(Vector<T> d, Lanes<T> values) {
  return observed == Observed::not_nan ? hn::Eq(values, values) : hn::Ne(values, hn::Zero(d));
}

/// Bit j: whether x[j] is observed, j < count <= 64; whole vectors.
template <Observed observed, class T>
HWY_INLINE std::uint64_t bits_of_observed(const T* x, Index count) {
  const Vector<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  std::uint64_t bits = 0;
  for (Index j = 0; j < count; j += lanes) {
    std::uint8_t some[8] = {};
    hn::StoreMaskBits(d, observed_lanes<observed, T>(d, hn::LoadU(d, x + j)), some);
    bits |= (static_cast<std::uint64_t>(some[0]) | static_cast<std::uint64_t>(some[1]) << 8) << j;
  }
  return bits;
}

/// 2^lane_levels lanes make a vector.
template <class T>
constexpr int lane_levels = std::bit_width(hn::MaxLanes(Vector<T>())) - 1;

#if HWY_TARGET == HWY_SCALAR

template <int Level, class T>
HWY_INLINE Lanes<T> sums_of_lanes(Vector<T>, const Lanes<T>* vectors) {
  return vectors[0];
}

#else

/// Neighbouring groups of 2^Level lanes added: of a where the group's number is even, of b where it is odd.
template <int Level, class T>
HWY_INLINE Lanes<T> add_neighbours(Vector<T> d, Lanes<T> a, Lanes<T> b) {
  constexpr std::size_t bytes = sizeof(T) << Level;
  if constexpr (bytes == 4) {
    return hn::Add(hn::OddEven(b, a), hn::Shuffle2301(hn::OddEven(a, b)));
  } else if constexpr (bytes == 8) {
    const hn::Repartition<double, Vector<T>> wide;
    const auto a_wide = hn::BitCast(wide, a);
    const auto b_wide = hn::BitCast(wide, b);
    const auto crossed = hn::Shuffle01(hn::OddEven(a_wide, b_wide));
    return hn::Add(hn::BitCast(d, hn::OddEven(b_wide, a_wide)), hn::BitCast(d, crossed));
  } else if constexpr (bytes == 16) {
    return hn::Add(hn::OddEvenBlocks(b, a), hn::SwapAdjacentBlocks(hn::OddEvenBlocks(a, b)));
  } else {
    return hn::Add(hn::ConcatUpperLower(d, b, a), hn::ConcatLowerUpper(d, b, a));
  }
}

/// Lane i of the result = sum of the lanes of vectors[i], i < 2^Level vectors, each half of a pair first: a fixed order
/// for every input.
template <int Level, class T>
HWY_INLINE Lanes<T> sums_of_lanes(Vector<T> d, const Lanes<T>* vectors) {
  if constexpr (Level == 0) {
    return vectors[0];
  } else {
    const Lanes<T> even = sums_of_lanes<Level - 1, T>(d, vectors);
    const Lanes<T> odd = sums_of_lanes<Level - 1, T>(d, vectors + (1 << (Level - 1)));
    return add_neighbours<Level - 1, T>(d, even, odd);
  }
}

#endif

}  // namespace scanmf::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
