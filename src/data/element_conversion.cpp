#include "data/element_conversion.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "data/half.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::data {
namespace {

using io::RawType;

template <std::size_t bytes>
struct Bits;
template <>
struct Bits<1> {
  using Type = std::uint8_t;
};
template <>
struct Bits<2> {
  using Type = std::uint16_t;
};
template <>
struct Bits<4> {
  using Type = std::uint32_t;
};
template <>
struct Bits<8> {
  using Type = std::uint64_t;
};

template <class U>
constexpr U swapped_bytes(U bits) {
  if constexpr (sizeof(U) == 1) return bits;
  if constexpr (sizeof(U) == 2) return __builtin_bswap16(bits);
  if constexpr (sizeof(U) == 4) return __builtin_bswap32(bits);
  if constexpr (sizeof(U) == 8) return __builtin_bswap64(bits);
}

template <class Target, class Source>
Target convert_one(Source value) {
  if constexpr (std::is_same_v<Source, Half>) {
    return static_cast<Target>(static_cast<float>(value));
  } else if constexpr (std::is_same_v<Target, std::int32_t>) {
    if (std::cmp_less(value, std::numeric_limits<std::int32_t>::min())) return std::numeric_limits<std::int32_t>::min();
    if (std::cmp_greater(value, std::numeric_limits<std::int32_t>::max()))
      return std::numeric_limits<std::int32_t>::max();
    return static_cast<std::int32_t>(value);
  } else if constexpr (std::is_same_v<Target, Index>) {
    return std::cmp_greater(value, std::numeric_limits<Index>::max()) ? std::numeric_limits<Index>::max()
                                                                      : static_cast<Index>(value);
  } else {
    return static_cast<Target>(value);
  }
}

template <class Target, class Source, bool swapped>
void convert(const std::byte* from, Index count, Target* to) {
  using U = typename Bits<sizeof(Source)>::Type;
  for (Index i = 0; i < count; ++i) {
    U bits;
    std::memcpy(&bits, from + i * static_cast<Index>(sizeof(U)), sizeof(U));
    if constexpr (swapped) bits = swapped_bytes(bits);
    to[i] = convert_one<Target>(std::bit_cast<Source>(bits));
  }
}

[[noreturn]] void refuse_long_doubles() {
  throw Error("numbers of 16 bytes in another form than this machine's: save them as float64");
}

/// x87's 80 bits, and 48 that mean nothing. Other machines have other numbers of 16 bytes. Of IEEE's binary128, whose
/// exponent stands in the last bytes, fractions have a leading bit that does not fit the exponent, and small integers
/// are nothing but zeros here, each with zero or an exponent of usual numbers behind it.
template <class Target>
void convert_long_doubles(const std::byte* from, Index count, Target* to) {
  bool zeros = true;
  bool quadruple = false;
  for (Index i = 0; i < count; ++i) {
    const std::byte* const at = from + i * 16;
    std::uint64_t significand = 0;
    std::uint64_t rest = 0;
    std::memcpy(&significand, at, sizeof significand);
    std::memcpy(&rest, at + sizeof significand, sizeof rest);
    if ((significand >> 63U != 0) != ((rest & 0x7FFFU) != 0)) refuse_long_doubles();
    const std::uint64_t exponent = rest >> 48U & 0x7FFFU;
    const bool usual = exponent >= 0x3C00U && exponent < 0x4400U;  // what float64 has too
    zeros = zeros && significand == 0 && (rest >> 16U == 0 || usual);
    quadruple = quadruple || usual;
    long double value = 0;
    std::memcpy(&value, at, sizeof value);
    to[i] = static_cast<Target>(value);
  }
  if (zeros && quadruple) refuse_long_doubles();
}

template <class Target, class Source>
Conversion<Target> in_order(bool swapped) {
  return swapped ? convert<Target, Source, true> : convert<Target, Source, false>;
}

template <class Target>
Conversion<Target> from_integer(const RawType& type) {
  const bool is_signed = type.kind == RawType::Kind::signed_integer;
  switch (type.bytes) {
    case 1:
      return is_signed ? in_order<Target, std::int8_t>(false) : in_order<Target, std::uint8_t>(false);
    case 2:
      return is_signed ? in_order<Target, std::int16_t>(type.swapped) : in_order<Target, std::uint16_t>(type.swapped);
    case 4:
      return is_signed ? in_order<Target, std::int32_t>(type.swapped) : in_order<Target, std::uint32_t>(type.swapped);
    default:
      return is_signed ? in_order<Target, std::int64_t>(type.swapped) : in_order<Target, std::uint64_t>(type.swapped);
  }
}

}  // namespace

template <class T>
Conversion<T> conversion_from(const RawType& type) {
  if constexpr (std::is_floating_point_v<T>) {
    if (type.kind == RawType::Kind::floating) {
      if (type.bytes == 2) return in_order<T, Half>(type.swapped);
      if (type.bytes == 16) return convert_long_doubles<T>;
      return type.bytes == 4 ? in_order<T, float>(type.swapped) : in_order<T, double>(type.swapped);
    }
  }
  return from_integer<T>(type);
}

template <class T>
bool is_native(const RawType& type) {
  const auto kind = std::is_floating_point_v<T> ? RawType::Kind::floating : RawType::Kind::signed_integer;
  return type.kind == kind && type.bytes == static_cast<Index>(sizeof(T)) && !type.swapped;
}

namespace {

template <class U>
void gather_bytes(const std::uint8_t* from, Index count, std::byte* to) {
  for (Index i = 0; i < count; ++i) {
    U bits = 0;
    for (std::size_t b = 0; b < sizeof(U); ++b)
      bits = static_cast<U>(bits | static_cast<U>(static_cast<U>(from[static_cast<Index>(b) * count + i]) << (8 * b)));
    std::memcpy(to + i * static_cast<Index>(sizeof(U)), &bits, sizeof(U));
  }
}

}  // namespace

void unshuffle(const std::byte* from, Index size, Index element_bytes, std::byte* to) {
  const Index count = size / element_bytes;
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(from);
  if (std::endian::native == std::endian::little && element_bytes == 2)
    gather_bytes<std::uint16_t>(bytes, count, to);
  else if (std::endian::native == std::endian::little && element_bytes == 4)
    gather_bytes<std::uint32_t>(bytes, count, to);
  else if (std::endian::native == std::endian::little && element_bytes == 8)
    gather_bytes<std::uint64_t>(bytes, count, to);
  else
    for (Index b = 0; b < element_bytes; ++b)
      for (Index i = 0; i < count; ++i) to[i * element_bytes + b] = from[b * count + i];
  std::copy(from + count * element_bytes, from + size, to + count * element_bytes);
}

template Conversion<float> conversion_from(const RawType&);
template Conversion<double> conversion_from(const RawType&);
template Conversion<std::int32_t> conversion_from(const RawType&);
template Conversion<Index> conversion_from(const RawType&);
template bool is_native<float>(const RawType&);
template bool is_native<double>(const RawType&);
template bool is_native<std::int32_t>(const RawType&);
template bool is_native<Index>(const RawType&);

}  // namespace scanmf::data
