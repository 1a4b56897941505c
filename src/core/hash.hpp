#pragma once

#include <cstdint>
#include <string_view>

namespace scanmf {

/// Scatters the bits of a number (the finaliser of SplitMix64; Steele, Lea, Flood 2014): different numbers, different
/// results.
constexpr std::uint64_t scattered(std::uint64_t number) {
  number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9U;
  number = (number ^ (number >> 27)) * 0x94d049bb133111ebU;
  return number ^ (number >> 31);
}

constexpr std::uint64_t hash_of(std::string_view text) {
  std::uint64_t hash = text.size();
  for (const char c : text) hash = scattered(hash + static_cast<unsigned char>(c) + 0x9e3779b97f4a7c15U);
  return hash;
}

}  // namespace scanmf
