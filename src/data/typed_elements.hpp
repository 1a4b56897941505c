#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "scanmf/data/rows_in_memory.hpp"

namespace scanmf::data {

/// IEEE 754's binary16 as it lies in memory: compilers have no type of it on all machines.
struct Half {
  std::uint16_t bits;

  explicit operator double() const {
    const int exponent = bits >> 10 & 0x1f;
    const double fraction = bits & 0x3ff;
    const double magnitude = exponent == 0      ? std::ldexp(fraction, -24)
                             : exponent != 0x1f ? std::ldexp(1024 + fraction, exponent - 25)
                             : fraction == 0    ? std::numeric_limits<double>::infinity()
                                                : std::numeric_limits<double>::quiet_NaN();
    return (bits & 0x8000) != 0 ? -magnitude : magnitude;
  }
  explicit operator float() const { return static_cast<float>(static_cast<double>(*this)); }
};

/// Calls body.template operator()<Element>() with the C++ type that `type` stands for.
template <class Body>
auto with_element_type(ElementType type, Body&& body) {
  switch (type) {
    case ElementType::int8:
      return body.template operator()<std::int8_t>();
    case ElementType::int16:
      return body.template operator()<std::int16_t>();
    case ElementType::int32:
      return body.template operator()<std::int32_t>();
    case ElementType::int64:
      return body.template operator()<std::int64_t>();
    case ElementType::uint8:
      return body.template operator()<std::uint8_t>();
    case ElementType::uint16:
      return body.template operator()<std::uint16_t>();
    case ElementType::uint32:
      return body.template operator()<std::uint32_t>();
    case ElementType::uint64:
      return body.template operator()<std::uint64_t>();
    case ElementType::float16:
      return body.template operator()<Half>();
    case ElementType::float32:
      return body.template operator()<float>();
    default:
      return body.template operator()<double>();
  }
}

}  // namespace scanmf::data
