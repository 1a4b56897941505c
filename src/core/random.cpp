#include "scanmf/core/random.hpp"

#include <Random123/philox.h>
#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <numbers>
#include <numeric>
#include <string_view>

#include "core/number_text.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf {
namespace {

constexpr std::size_t digits_of_a_word = 8;

/// The next word of the text, which loses it and one blank.
std::string_view next_word(std::string_view& text) {
  const std::size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

}  // namespace

MersenneTwister::MersenneTwister(std::uint32_t seed) : key_(), position_(words) {
  std::uint32_t word = seed;
  for (std::size_t i = 0; i < key_.size(); ++i) {
    key_[i] = word;
    word = 1812433253U * (word ^ (word >> 30)) + static_cast<std::uint32_t>(i) + 1;
  }
}

void MersenneTwister::renew() {
  constexpr std::size_t ahead = 397;
  const std::size_t count = key_.size();
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t mixed = (key_[i] & 0x80000000U) | (key_[(i + 1) % count] & 0x7fffffffU);
    key_[i] = key_[(i + ahead) % count] ^ (mixed >> 1) ^ ((mixed & 1U) != 0 ? 0x9908b0dfU : 0U);
  }
  position_ = 0;
}

double LegacyRandom::uniform() {
  const auto high = static_cast<double>(engine_() >> 5);
  const auto low = static_cast<double>(engine_() >> 6);
  return (high * 0x1p26 + low) * 0x1p-53;
}

/// "MT19937 POSITION SPARE KEY": the spare normal or "none", the key's words in hexadecimal, without gaps.
std::string to_text(const LegacyRandom& generator) {
  const std::optional<double> spare = generator.spare();
  std::string text = fmt::format("MT19937 {} {} ", generator.engine().position(), spare ? to_text(*spare) : "none");
  for (const std::uint32_t word : generator.engine().key()) text += fmt::format("{:08x}", word);
  return text;
}

LegacyRandom generator_from(const std::string& text) {
  std::string_view rest = text;
  const bool of_this_kind = next_word(rest) == "MT19937";
  const std::optional<Index> position = parse_index(next_word(rest));
  const std::string_view kept = next_word(rest);
  const std::optional<double> spare = kept == "none" ? std::nullopt : parse_double(kept);
  std::array<std::uint32_t, MersenneTwister::words> key{};
  bool right = of_this_kind && position && *position >= 0 && *position <= MersenneTwister::words &&
               (kept == "none" || spare) && rest.size() == key.size() * digits_of_a_word;
  for (std::size_t i = 0; right && i < key.size(); ++i) {
    const char* const begin = rest.data() + i * digits_of_a_word;
    right = std::from_chars(begin, begin + digits_of_a_word, key[i], 16).ptr == begin + digits_of_a_word;
  }
  if (!right) throw Error("the state of a generator of random numbers is damaged");
  return {MersenneTwister(key, static_cast<int>(*position)), spare};
}

/// A point of the unit disc without its centre, r its squared radius (Marsaglia's polar method).
LegacyRandom::Point LegacyRandom::point_in_disc() {
  Point point{};
  do {
    point.a = 2.0 * uniform() - 1.0;
    point.b = 2.0 * uniform() - 1.0;
    point.r = point.a * point.a + point.b * point.b;
  } while (point.r >= 1.0 || point.r == 0.0);
  return point;
}

double LegacyRandom::normal() {
  if (has_spare_) {
    has_spare_ = false;
    return spare_;
  }
  const Point point = point_in_disc();
  const double f = std::sqrt(-2.0 * std::log(point.r) / point.r);
  spare_ = f * point.a;
  has_spare_ = true;
  return f * point.b;
}

void LegacyRandom::skip_normals(Index count) {
  if (count > 0 && has_spare_) {
    has_spare_ = false;
    --count;
  }
  for (; count >= 2; count -= 2) point_in_disc();
  if (count == 1) normal();
}

std::uint32_t LegacyRandom::below_or_equal(std::uint32_t top) {
  if (top == 0) return 0;
  std::uint32_t mask = top;
  for (int shift = 1; shift < 32; shift *= 2) mask |= mask >> shift;
  std::uint32_t value = 0;
  do value = engine_() & mask;
  while (value > top);
  return value;
}

std::vector<Index> LegacyRandom::permutation(Index count) {
  std::vector<Index> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), Index{0});
  for (Index i = count - 1; i > 0; --i)
    std::swap(order[static_cast<std::size_t>(i)], order[below_or_equal(static_cast<std::uint32_t>(i))]);
  return order;
}

double counter_uniform(std::uint64_t seed, std::uint64_t stream, std::uint64_t index) {
  const r123::Philox4x64 generator;
  return (static_cast<double>(generator({{index, stream, 0, 0}}, {{seed, 0}})[0] >> 11) + 0.5) * 0x1p-53;
}

double counter_normal(std::uint64_t seed, std::uint64_t stream, std::uint64_t index) {
  const r123::Philox4x64 generator;
  const auto words = generator({{index, stream, 0, 0}}, {{seed, 0}});
  const double u1 = (static_cast<double>(words[0] >> 11) + 1.0) * 0x1p-53;  // (0, 1]: the logarithm is finite
  const double u2 = static_cast<double>(words[1] >> 11) * 0x1p-53;
  return std::sqrt(-2.0 * std::log(u1)) * std::cos(2.0 * std::numbers::pi * u2);
}

}  // namespace scanmf
