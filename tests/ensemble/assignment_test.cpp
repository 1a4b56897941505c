#include "ensemble/assignment.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "scanmf/core/random.hpp"

namespace scanmf {
namespace {

double gain_of(const Matrix<double>& gains, const std::vector<Index>& columns) {
  double sum = 0;
  for (Index i = 0; i < gains.rows(); ++i) sum += gains(i, columns[static_cast<std::size_t>(i)]);
  return sum;
}

/// Of all choices of a column for each row.
double best_gain(const Matrix<double>& gains) {
  std::vector<Index> columns(static_cast<std::size_t>(gains.columns()));
  std::iota(columns.begin(), columns.end(), Index{0});
  double best = gain_of(gains, columns);
  while (std::next_permutation(columns.begin(), columns.end())) best = std::max(best, gain_of(gains, columns));
  return best;
}

TEST(Assignment, IsTheBestOfAll) {
  LegacyRandom random(1);
  for (Index columns = 1; columns <= 6; ++columns) {
    for (Index rows = 0; rows <= columns; ++rows) {
      for (int repeat = 0; repeat < 20; ++repeat) {
        Matrix<double> gains(rows, columns);
        // Few values: ties; and negative ones.
        for (double& gain : gains.span()) gain = repeat < 10 ? random.uniform() - 0.3 : random.below_or_equal(3);
        const std::vector<Index> found = best_assignment(std::as_const(gains).view());
        ASSERT_EQ(static_cast<Index>(found.size()), rows);
        EXPECT_EQ(static_cast<Index>(std::set<Index>(found.begin(), found.end()).size()), rows);
        EXPECT_NEAR(gain_of(gains, found), best_gain(gains), 1e-12);
      }
    }
  }
}

}  // namespace
}  // namespace scanmf
