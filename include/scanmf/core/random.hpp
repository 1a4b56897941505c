#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "scanmf/core/types.hpp"

namespace scanmf {

/// The stream of numpy.random.RandomState(seed): MT19937 seeded with one integer, polar normals, masked integers.
/// The stream has no entry in the middle; whoever needs a part generates it from the start.
class LegacyRandom {
 public:
  explicit LegacyRandom(std::uint32_t seed) : engine_(seed) {}

  /// Uniform on [0, 1) with 53 bits.
  double uniform();
  /// Standard normal; the second value of each pair is kept for the next call.
  double normal();
  /// Like `count` calls of normal() whose values nobody wants, but faster.
  void skip_normals(Index count);
  /// Uniform integer in 0 … top, both included; no draw for top = 0.
  std::uint32_t below_or_equal(std::uint32_t top);
  /// A permutation of 0 … count − 1.
  std::vector<Index> permutation(Index count);

 private:
  struct Point {
    double a, b, r;
  };
  Point point_in_disc();

  std::mt19937 engine_;
  double spare_ = 0;
  bool has_spare_ = false;
};

/// Standard normals keyed by (seed, stream, index): any part of the sequence at once, on any rank (Philox4x64-10, Box-Muller).
double counter_normal(std::uint64_t seed, std::uint64_t stream, std::uint64_t index);

}  // namespace scanmf
