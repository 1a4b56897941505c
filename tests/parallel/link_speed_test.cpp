#include "scanmf/parallel/link_speed.hpp"

#include <gtest/gtest.h>

namespace scanmf {
namespace {

TEST(LinkSpeed, IsPositiveAndTheSameOnEveryRank) {
  const Communicator comm;
  const LinkSpeed speed = measure_link_speed(comm);
  if (comm.size() == 1) {
    EXPECT_EQ(speed.bytes_per_second, 0);
    return;
  }
  for (const double value : {speed.bytes_per_second, speed.seconds_a_message}) {
    EXPECT_GT(value, 0);
    for (const double other : comm.allgather(value)) EXPECT_EQ(other, value);
  }
  EXPECT_LT(speed.bytes_per_second, 1e13);
  EXPECT_LT(speed.seconds_a_message, 1);
}

}  // namespace
}  // namespace scanmf
