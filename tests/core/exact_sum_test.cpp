#include "scanmf/core/exact_sum.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace scanmf {
namespace {

double sum_of(const std::vector<double>& numbers) {
  ExactSum sum;
  for (const double number : numbers) sum.add(number);
  return sum.value();
}

TEST(ExactSum, loses_no_digit) {
  EXPECT_EQ(sum_of({}), 0.0);
  EXPECT_EQ(sum_of({1.5}), 1.5);
  EXPECT_EQ(sum_of({-2.25, 0.25}), -2.0);
  EXPECT_EQ(sum_of({1e300, 1, -1e300}), 1.0);
  EXPECT_EQ(sum_of({1e-300, 1e300, -1e300}), 1e-300);
  EXPECT_EQ(sum_of({std::numeric_limits<double>::denorm_min(), -1.0, 1.0}), std::numeric_limits<double>::denorm_min());
  EXPECT_EQ(sum_of({std::numeric_limits<double>::max(), std::numeric_limits<double>::max(),
                    -std::numeric_limits<double>::max()}),
            std::numeric_limits<double>::max());
  EXPECT_TRUE(std::isinf(sum_of({1.0, std::numeric_limits<double>::quiet_NaN()})));
}

TEST(ExactSum, does_not_depend_on_the_order) {
  std::mt19937_64 random(3);
  for (int trial = 0; trial < 50; ++trial) {
    std::vector<double> numbers;
    for (int i = 0; i < 500; ++i)
      numbers.push_back(std::ldexp(std::uniform_real_distribution<double>(-1, 1)(random),
                                   std::uniform_int_distribution<int>(-200, 200)(random)));
    const double expected = sum_of(numbers);
    std::ranges::shuffle(numbers, random);
    EXPECT_EQ(sum_of(numbers), expected);
    ExactSum halves[2];
    for (std::size_t i = 0; i < numbers.size(); ++i) halves[i % 2].add(numbers[i]);
    halves[0].add(halves[1]);
    EXPECT_EQ(halves[0].value(), expected);
    ExactSum digits[2];
    for (std::size_t i = 0; i < numbers.size(); ++i) digits[i / 250].add(numbers[i]);
    const auto to = digits[0].settled_digits();
    const auto from = digits[1].settled_digits();
    for (std::size_t i = 0; i < to.size(); ++i) to[i] += from[i];
    EXPECT_EQ(digits[0].value(), expected) << "added digit by digit, as ranks do";
  }
}

TEST(ExactSum, is_near_the_sum_in_long_double) {
  std::mt19937_64 random(5);
  std::vector<double> numbers;
  long double expected = 0;
  for (int i = 0; i < 10000; ++i) {
    numbers.push_back(std::uniform_real_distribution<double>(0, 1)(random));
    expected += numbers.back();
  }
  EXPECT_NEAR(sum_of(numbers), static_cast<double>(expected), 1e-11);
}

}  // namespace
}  // namespace scanmf
