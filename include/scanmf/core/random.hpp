#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "scanmf/core/types.hpp"

namespace scanmf {

/// The Mersenne Twister MT19937 (Matsumoto & Nishimura 1998), its state in numpy's form.
class MersenneTwister {
 public:
  static constexpr int words = 624;
  explicit MersenneTwister(std::uint32_t seed);
  MersenneTwister(const std::array<std::uint32_t, words>& key, int position) : key_(key), position_(position) {}

  std::uint32_t operator()() {
    if (position_ == words) renew();
    std::uint32_t word = key_[static_cast<std::size_t>(position_++)];
    word ^= word >> 11;
    word ^= (word << 7) & 0x9d2c5680U;
    word ^= (word << 15) & 0xefc60000U;
    return word ^ (word >> 18);
  }

  const std::array<std::uint32_t, words>& key() const { return key_; }
  int position() const { return position_; }

 private:
  void renew();
  std::array<std::uint32_t, words> key_;
  int position_;  // words of the key that are spent
};

/// The stream of numpy.random.RandomState(seed): MT19937 seeded with one integer, polar normals, masked integers.
/// The stream has no entry in the middle; whoever needs a part generates it from the start.
class LegacyRandom {
 public:
  explicit LegacyRandom(std::uint32_t seed) : engine_(seed) {}
  /// A stream that goes on from a state; spare: the second value of a pair of normals whose first one has been drawn.
  LegacyRandom(const MersenneTwister& engine, std::optional<double> spare)
      : engine_(engine), spare_(spare.value_or(0)), has_spare_(spare.has_value()) {}

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
  /// The next 32 bits.
  std::uint32_t bits() { return engine_(); }

  const MersenneTwister& engine() const { return engine_; }
  std::optional<double> spare() const { return has_spare_ ? std::optional<double>(spare_) : std::nullopt; }

 private:
  struct Point {
    double a, b, r;
  };
  Point point_in_disc();

  MersenneTwister engine_;
  double spare_ = 0;
  bool has_spare_ = false;
};

/// A generator's state as one line of text, and back. Throws Error for other text.
std::string to_text(const LegacyRandom& generator);
LegacyRandom generator_from(const std::string& text);

/// What the streams of a run begin from: a number, from which each stream begins anew, as with scikit-learn's integer
/// random_state; or a generator, which all of them draw from in turn, as with its RandomState instances. Copies share
/// the generator. On several ranks: equal on all of them.
class Seed {
 public:
  Seed(std::uint32_t number) : number_(number) {}  // NOLINT(google-explicit-constructor): a number is a seed
  explicit Seed(std::shared_ptr<LegacyRandom> generator) : generator_(std::move(generator)) {}

  /// A stream from its beginning, or the generator where it stands.
  std::shared_ptr<LegacyRandom> stream() const {
    return generator_ ? generator_ : std::make_shared<LegacyRandom>(number_);
  }
  bool is_generator() const { return generator_ != nullptr; }
  /// The number, for streams that are keyed by it; a generator gives its next 32 bits.
  std::uint32_t number() const { return generator_ ? generator_->bits() : number_; }

 private:
  std::uint32_t number_ = 0;
  std::shared_ptr<LegacyRandom> generator_;
};

/// Uniform numbers on (0, 1) keyed by (seed, stream, index): any of them at any time, on any rank (Philox4x64-10).
double counter_uniform(std::uint64_t seed, std::uint64_t stream, std::uint64_t index);

/// Standard normals keyed by (seed, stream, index): any part of the sequence at once, on any rank (Philox4x64-10,
/// Box-Muller).
double counter_normal(std::uint64_t seed, std::uint64_t stream, std::uint64_t index);

}  // namespace scanmf
