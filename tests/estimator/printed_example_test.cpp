// The worked example that is printed in tutorials: scikit-learn's NMF(n_components=2, init='random', random_state=0) of
// a 6 × 2 matrix.
#include <gtest/gtest.h>

#include <array>

#include "scanmf/data/matrix_file.hpp"
#include "scanmf/estimator/estimator.hpp"

namespace scanmf {
namespace {

constexpr std::array<double, 12> example_X = {1, 1, 2, 1, 3, 1.2, 4, 1, 5, 0.8, 6, 1};
constexpr std::array<double, 12> printed_W = {0,         0.46880684, 0.55699523, 0.3894146,  1.00331638, 0.41925352,
                                              1.6733999, 0.22926926, 2.34349311, 0.03927954, 2.78981512, 0.06911798};
constexpr std::array<double, 4> printed_H = {2.09783018, 0.30560234, 2.13443044, 2.13171694};
constexpr double printed_digits = 0.5000001e-8;  // eight decimals

TEST(PrintedExample, AllSixteenNumbers) {
  const Communicator comm;
  const auto offsets = slice_offsets(6, comm.size());
  const Index first = offsets[static_cast<std::size_t>(comm.rank())];
  const Index last = offsets[static_cast<std::size_t>(comm.rank()) + 1];
  const auto x = source_from_rows<double>(comm, {example_X.data() + 2 * first, last - first, 2});

  Parameters parameters;
  parameters.n_components = 2;
  parameters.n_components_auto = false;
  parameters.init = Init::random;
  parameters.random_state = 0;
  const FittedModel<double> fitted = fit(*x, parameters, 0);

  EXPECT_EQ(fitted.n_iter, 30);
  EXPECT_TRUE(fitted.converged);
  EXPECT_NEAR(fitted.reconstruction_err, 0.00115993492, 5e-12);
  const Range rows = x->partition().piece(0, comm.rank());
  for (Index i = 0; i < rows.size(); ++i)
    for (Index c = 0; c < 2; ++c)
      EXPECT_NEAR(fitted.factors.W(i, c), printed_W[static_cast<std::size_t>(2 * (rows.begin + i) + c)], printed_digits)
          << "W row " << rows.begin + i;
  for (Index c = 0; c < 2; ++c)
    for (Index j = 0; j < 2; ++j)
      EXPECT_NEAR(fitted.factors.Ht(j, c), printed_H[static_cast<std::size_t>(2 * c + j)], printed_digits);
}

}  // namespace
}  // namespace scanmf
