#pragma once

#include <bit>
#include <cstdint>

namespace scanmf::data {

/// IEEE 754's binary16 as it lies in memory and in files: compilers have no type of it on all machines.
struct Half {
  std::uint16_t bits;

  explicit operator float() const {
    const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000U) << 16;
    const std::uint32_t exponent = (bits >> 10) & 0x1FU;
    const std::uint32_t mantissa = bits & 0x3FFU;
    if (exponent == 0) return std::bit_cast<float>(sign | 0x3F800000U) * static_cast<float>(mantissa) * 0x1p-24F;
    if (exponent == 31) return std::bit_cast<float>(sign | 0x7F800000U | mantissa << 13);
    return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
  }
  explicit operator double() const { return static_cast<double>(static_cast<float>(*this)); }
};

}  // namespace scanmf::data
