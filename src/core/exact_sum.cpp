#include "scanmf/core/exact_sum.hpp"

#include <cmath>
#include <cstdint>
#include <limits>

namespace scanmf {

void ExactSum::add(double number) {
  if (number == 0) return;
  if (!std::isfinite(number)) return void(++digits_.back());
  int exponent = 0;
  const auto mantissa = static_cast<std::int64_t>(std::ldexp(std::frexp(number, &exponent), 53));
  const int place = exponent - 53 + lowest;  // of the mantissa's last bit: >= 26 for the smallest of doubles
  const Index sign = mantissa < 0 ? -1 : 1;
  const auto magnitude = static_cast<std::uint64_t>(sign * mantissa);
  const auto digit = static_cast<std::size_t>(place / bits);
  const int shift = place % bits;
  constexpr std::uint64_t mask = (std::uint64_t{1} << bits) - 1;
  const std::uint64_t low = magnitude << shift;
  const std::uint64_t high = shift == 0 ? 0 : magnitude >> (64 - shift);
  digits_[digit] += sign * static_cast<Index>(low & mask);
  digits_[digit + 1] += sign * static_cast<Index>(low >> bits);
  digits_[digit + 2] += sign * static_cast<Index>(high);
  if (++additions_ == most) settle();
}

void ExactSum::add(const ExactSum& other) {
  ExactSum settled = other;
  settled.settle();
  settle();
  for (std::size_t i = 0; i < digits_.size(); ++i) digits_[i] += settled.digits_[i];
  ++additions_;
}

void ExactSum::settle() {
  for (std::size_t i = 0; i + 2 < digits_.size(); ++i) {
    const Index carry = digits_[i] >> bits;  // rounded down
    digits_[i] -= carry * (Index{1} << bits);
    digits_[i + 1] += carry;
  }
  additions_ = 1;
}

std::span<Index> ExactSum::settled_digits() {
  settle();
  return digits_;
}

double ExactSum::value() const {
  if (digits_.back() > 0) return std::numeric_limits<double>::infinity();
  ExactSum settled = *this;
  settled.settle();
  const bool negative = settled.digits_[digits_.size() - 2] < 0;
  if (negative) {
    for (Index& digit : settled.digits_) digit = -digit;
    settled.settle();
  }
  double sum = 0;
  for (std::size_t i = 0; i + 1 < digits_.size(); ++i)
    sum += std::ldexp(static_cast<double>(settled.digits_[i]), static_cast<int>(i) * bits - lowest);
  return negative ? -sum : sum;
}

}  // namespace scanmf
