#include "scanmf/core/random.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace scanmf {
namespace {

// Printed by numpy.random.RandomState(seed): random_sample, standard_normal, and the last two of permutation(1), (2),
// (5), (10), (33).
struct Stream {
  std::uint32_t seed;
  std::vector<double> uniform;
  std::vector<double> normal;
  double normal_24;  // the 25th
  std::vector<Index> permutation_10;
  std::vector<Index> permutation_33;
};

const std::vector<Stream> numpy_streams = {
    {0,
     {0.5488135039273248, 0.7151893663724195, 0.6027633760716439, 0.5448831829968969},
     {1.764052345967664, 0.4001572083672233, 0.9787379841057392, 2.240893199201458, 1.8675579901499675,
      -0.977277879876411},
     2.2697546239876076,
     {3, 1, 8, 7, 9, 0, 6, 4, 2, 5},
     {29, 4,  26, 30, 32, 6,  12, 21, 7, 10, 11, 31, 1,  27, 3,  2, 0,
      18, 15, 28, 22, 16, 19, 20, 9,  8, 13, 25, 5,  17, 24, 14, 23}},
    {1,
     {0.417022004702574, 0.7203244934421581, 0.00011437481734488664, 0.30233257263183977},
     {1.6243453636632417, -0.6117564136500754, -0.5281717522634557, -1.0729686221561705, 0.8654076293246785,
      -2.3015386968802827},
     0.9008559492644118,
     {2, 3, 4, 8, 1, 6, 0, 7, 5, 9},
     {12, 8, 2,  21, 3, 28, 23, 31, 24, 22, 1,  15, 32, 19, 7,  16, 26,
      13, 0, 17, 9,  4, 27, 14, 10, 11, 29, 30, 5,  20, 18, 25, 6}},
    {42,
     {0.3745401188473625, 0.9507143064099162, 0.7319939418114051, 0.5986584841970366},
     {0.4967141530112327, -0.13826430117118466, 0.6476885381006925, 1.5230298564080254, -0.23415337472333597,
      -0.23413695694918055},
     -0.5443827245251827,
     {3, 9, 0, 8, 5, 2, 1, 6, 4, 7},
     {18, 24, 25, 22, 10, 7, 4,  12, 8, 3,  6,  27, 31, 19, 17, 13, 14,
      15, 9,  16, 30, 26, 0, 29, 28, 5, 11, 32, 1,  20, 21, 2,  23}},
    {4294967295,
     {0.0976320289940138, 0.9123828453026218, 0.78903530185164, 0.7800035981134678},
     {0.6484086742306527, 0.6693235306338161, -1.0805437227474493, 0.2845010447986309, 0.11388773652167104,
      0.8676218937929382},
     0.4313274518726367,
     {8, 1, 5, 4, 9, 2, 3, 7, 0, 6},
     {20, 6,  18, 0,  19, 2, 27, 10, 21, 28, 7,  8,  1,  32, 26, 15, 24,
      3,  11, 29, 17, 16, 4, 12, 25, 9,  5,  14, 31, 30, 23, 22, 13}}};

TEST(LegacyRandom, reproduces_numpy) {
  for (const Stream& expected : numpy_streams) {
    SCOPED_TRACE(expected.seed);
    LegacyRandom uniform(expected.seed);
    for (const double value : expected.uniform) EXPECT_EQ(uniform.uniform(), value);
    LegacyRandom normal(expected.seed);
    for (const double value : expected.normal) EXPECT_EQ(normal.normal(), value);
    for (std::size_t i = expected.normal.size(); i < 24; ++i) normal.normal();
    EXPECT_EQ(normal.normal(), expected.normal_24);
    LegacyRandom permuting(expected.seed);
    for (const Index count : {1, 2, 5}) permuting.permutation(count);
    EXPECT_EQ(permuting.permutation(10), expected.permutation_10);
    EXPECT_EQ(permuting.permutation(33), expected.permutation_33);
  }
}

// RandomState(7): normal(size=100001), random_sample(), standard_normal(), permutation(6), standard_normal()
TEST(LegacyRandom, second_normal_of_a_pair_survives_other_draws) {
  LegacyRandom random(7);
  double last = 0;
  for (int i = 0; i < 100001; ++i) last = random.normal();
  EXPECT_EQ(last, -0.040355389114829734);
  EXPECT_EQ(random.uniform(), 0.18904026340021185);
  EXPECT_EQ(random.normal(), 0.6604610674013014);
  EXPECT_EQ(random.permutation(6), (std::vector<Index>{4, 0, 1, 3, 2, 5}));
  EXPECT_EQ(random.normal(), 0.6602025945349685);
}

TEST(LegacyRandom, long_permutation_reproduces_numpy) {
  LegacyRandom random(3);
  const std::vector<Index> order = random.permutation(100000);
  EXPECT_EQ(order.front(), 79528);
  EXPECT_EQ(order[1], 53876);
  EXPECT_EQ(order.back(), 71530);
  EXPECT_EQ(random.uniform(), 0.3393422312403074);
}

TEST(LegacyRandom, skipping_normals_is_drawing_and_forgetting_them) {
  for (int before : {0, 1, 2, 5})
    for (Index skipped : {0, 1, 2, 3, 6, 7, 1000, 1001}) {
      LegacyRandom drawn(42);
      LegacyRandom skipping(42);
      for (int i = 0; i < before; ++i) EXPECT_EQ(drawn.normal(), skipping.normal());
      for (Index i = 0; i < skipped; ++i) drawn.normal();
      skipping.skip_normals(skipped);
      for (int i = 0; i < 3; ++i)
        EXPECT_EQ(drawn.normal(), skipping.normal()) << before << " drawn, " << skipped << " skipped";
    }
}

TEST(LegacyRandom, permutations_of_nothing_and_of_one_draw_nothing) {
  LegacyRandom random(0);
  EXPECT_TRUE(random.permutation(0).empty());
  EXPECT_EQ(random.permutation(1), std::vector<Index>{0});
  EXPECT_EQ(random.uniform(), 0.5488135039273248);
}

TEST(CounterUniform, is_uniform_and_depends_on_seed_stream_and_index_alone) {
  EXPECT_EQ(counter_uniform(5, 1, 1'000'000'000'000), counter_uniform(5, 1, 1'000'000'000'000));
  EXPECT_NE(counter_uniform(5, 1, 7), counter_uniform(5, 1, 8));
  EXPECT_NE(counter_uniform(5, 1, 7), counter_uniform(5, 2, 7));
  EXPECT_NE(counter_uniform(5, 1, 7), counter_uniform(6, 1, 7));
  constexpr int count = 100'000;
  double sum = 0;
  double squares = 0;
  for (int i = 0; i < count; ++i) {
    const double value = counter_uniform(1, 0, static_cast<std::uint64_t>(i));
    ASSERT_GT(value, 0);
    ASSERT_LT(value, 1);
    sum += value;
    squares += value * value;
  }
  EXPECT_NEAR(sum / count, 0.5, 0.004);
  EXPECT_NEAR(squares / count, 1.0 / 3, 0.004);
}

TEST(CounterNormal, depends_on_seed_stream_and_index_alone) {
  EXPECT_EQ(counter_normal(5, 1, 1'000'000'000'000), counter_normal(5, 1, 1'000'000'000'000));
  EXPECT_NE(counter_normal(5, 1, 7), counter_normal(5, 1, 8));
  EXPECT_NE(counter_normal(5, 1, 7), counter_normal(5, 2, 7));
  EXPECT_NE(counter_normal(5, 1, 7), counter_normal(6, 1, 7));
}

TEST(CounterNormal, is_standard_normal) {
  constexpr int count = 200000;
  double sum = 0;
  double squares = 0;
  double fourth_powers = 0;
  double neighbours = 0;
  int beyond_two = 0;
  double previous = 0;
  for (int i = 0; i < count; ++i) {
    const double value = counter_normal(1, 0, static_cast<std::uint64_t>(i));
    ASSERT_TRUE(std::isfinite(value));
    sum += value;
    squares += value * value;
    fourth_powers += value * value * value * value;
    neighbours += value * previous;
    beyond_two += std::abs(value) > 2 ? 1 : 0;
    previous = value;
  }
  const double one_sigma = 1 / std::sqrt(static_cast<double>(count));
  EXPECT_NEAR(sum / count, 0, 4 * one_sigma);
  EXPECT_NEAR(squares / count, 1, 4 * std::sqrt(2.0) * one_sigma);
  EXPECT_NEAR(fourth_powers / count, 3, 4 * std::sqrt(96.0) * one_sigma);
  EXPECT_NEAR(neighbours / count, 0, 4 * one_sigma);
  EXPECT_NEAR(beyond_two / static_cast<double>(count), 0.0455003, 4 * 0.2084 * one_sigma);
}

TEST(LegacyRandom, GoesOnFromItsState) {
  LegacyRandom stream(5);
  stream.skip_normals(1501);  // behind the first renewal of the key, one normal kept
  ASSERT_TRUE(stream.spare());
  LegacyRandom other(MersenneTwister(stream.engine().key(), stream.engine().position()), stream.spare());
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(stream.normal(), other.normal()) << i;
  EXPECT_EQ(stream.permutation(10), other.permutation(10));
}

TEST(Seed, NumbersBeginAnewAndGeneratorsGoOn) {
  const Seed number(7);
  EXPECT_EQ(number.stream()->normal(), number.stream()->normal());
  EXPECT_EQ(number.number(), 7U);
  const Seed generator(std::make_shared<LegacyRandom>(7));
  const Seed copy = generator;
  LegacyRandom reference(7);
  EXPECT_EQ(generator.stream()->normal(), reference.normal());
  EXPECT_EQ(copy.stream()->normal(), reference.normal());
  EXPECT_EQ(generator.number(), reference.bits());
}

}  // namespace
}  // namespace scanmf
