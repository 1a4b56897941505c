#pragma once

#include <array>
#include <span>

#include "scanmf/core/types.hpp"

namespace scanmf {

/// A sum of doubles that loses no digit, so that it does not matter in which order they come, nor who adds up
/// which of them: a number of fixed point as long as the range of double (Kulisch 1966). For few numbers: an addition
/// takes some nanoseconds.
class ExactSum {
 public:
  void add(double number);
  void add(const ExactSum& other);
  /// The sum, rounded.
  double value() const;

  /// Sums of several ranks are added digit by digit, once each is settled.
  std::span<Index> settled_digits();

 private:
  static constexpr int bits = 32;                // of a digit
  static constexpr int lowest = 1152;            // the last digit counts 2^−lowest
  static constexpr Index most = Index{1} << 30;  // additions until digits might overflow

  void settle();

  std::array<Index, 72> digits_{};  // the lowest first; between −2⁶² and 2⁶². The last one counts what is not finite
  Index additions_ = 0;
};

}  // namespace scanmf
