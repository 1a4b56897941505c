// scikit-learn's rules for what is left open: number of components, initialisation, when to stop and when to warn.
#include <gtest/gtest.h>

#include "init/test_source.hpp"
#include "scanmf/core/log.hpp"
#include "scanmf/estimator/estimator.hpp"

namespace scanmf {
namespace {

/// Warnings of this rank while it lives.
class Warnings {
 public:
  Warnings() {
    set_log_sink([this](LogLevel level, std::string_view message) {
      if (level == LogLevel::warning) messages_.emplace_back(message);
    });
  }
  ~Warnings() {
    set_log_sink([](LogLevel, std::string_view) {});
  }
  Warnings(const Warnings&) = delete;
  Warnings& operator=(const Warnings&) = delete;
  std::vector<std::string> take() { return std::exchange(messages_, {}); }

 private:
  std::vector<std::string> messages_;
};

std::vector<std::string> limit_reached(Index iterations) {
  return {"Maximum number of iterations " + std::to_string(iterations) +
          " reached. Increase it to improve convergence."};
}

Matrix<double> positive_matrix(Index rows, Index columns) {
  Matrix<double> x(rows, columns);
  for (Index i = 0; i < rows * columns; ++i) x.data()[i] = 0.1 + static_cast<double>((i * 7919) % 97) / 97;
  return x;
}

Parameters parameters_of(Solver solver, double beta, double tol, Index max_iter) {
  Parameters p;
  p.n_components = 3;
  p.init = Init::random;
  p.solver = solver;
  p.beta_loss = beta;
  p.tol = tol;
  p.max_iter = max_iter;
  return p;
}

TEST(Rules, NumberOfComponents) {
  Parameters p;
  p.set("n_components", "none");
  EXPECT_EQ(resolve_n_components(p, 7, std::nullopt), 7);  // features, even when there are fewer samples
  EXPECT_EQ(resolve_n_components(p, 7, 2), 7);
  p.set("n_components", "auto");
  EXPECT_EQ(resolve_n_components(p, 7, std::nullopt), 7);
  EXPECT_EQ(resolve_n_components(p, 7, 2), 2);
  p.set("n_components", "5");
  EXPECT_EQ(resolve_n_components(p, 7, 2), 5);
}

TEST(Rules, InitialisationWithoutAName) {
  EXPECT_EQ(resolve_init(Init::none, {9, 4}, 4), Init::nndsvda);
  EXPECT_EQ(resolve_init(Init::none, {4, 9}, 4), Init::nndsvda);
  EXPECT_EQ(resolve_init(Init::none, {4, 9}, 5), Init::random);
  EXPECT_EQ(resolve_init(Init::custom, {4, 9}, 5), Init::custom);
}

TEST(Rules, GeneratorFollowsTheNumberOfDraws) {
  constexpr Index million = 1000000;
  const auto resolved = [](const char* init, const Shape& shape, Index k, const char* svd = "randomized") {
    Parameters p;
    p.set("init", init);
    p.set("svd", svd);
    return resolve_random_generator(p, shape, k);
  };
  EXPECT_EQ(resolved("random", {3 * million, million}, 16), RandomGenerator::numpy);  // 64 million draws
  EXPECT_EQ(resolved("random", {4 * million, million}, 16), RandomGenerator::counter);
  EXPECT_EQ(resolved("nndsvda", {1000 * million, 2 * million}, 20), RandomGenerator::numpy);  // a sketch of 60 million
  EXPECT_EQ(resolved("nndsvda", {1000 * million, 3 * million}, 20), RandomGenerator::counter);
  EXPECT_EQ(resolved("nndsvda", {3 * million, 1000 * million}, 20), RandomGenerator::counter);
  EXPECT_EQ(resolved("none", {1000 * million, 3 * million}, 20), RandomGenerator::counter);
  EXPECT_EQ(resolved("none", {1000 * million, 1000}, 20), RandomGenerator::numpy);
  EXPECT_EQ(resolved("nndsvdar", {1000 * million, 1000}, 20), RandomGenerator::counter);  // fills of W
  EXPECT_EQ(resolved("nndsvda", {1000 * million, 3 * million}, 20, "exact"), RandomGenerator::numpy);
  EXPECT_EQ(resolved("custom", {1000 * million, 3 * million}, 20), RandomGenerator::numpy);
  Parameters p;
  p.set("random_generator", "counter");
  EXPECT_EQ(resolve_random_generator(p, {5, 4}, 2), RandomGenerator::counter);
}

TEST(Rules, CoordinateDescentStopsAtOnceWhereNothingIsToDo) {
  const Communicator world;
  TestSource<double> zeros(world, Matrix<double>(12, 6, 0.0), StorageKind::dense);
  Warnings warnings;
  const FittedModel<double> model = fit<double>(zeros, parameters_of(Solver::cd, 2, 1e-4, 50), 0);
  EXPECT_EQ(model.n_iter, 1);  // the violation is zero
  EXPECT_EQ(model.reconstruction_err, 0);
  EXPECT_TRUE(warnings.take().empty());
}

TEST(Rules, MultiplicativeUpdatesOfZerosRunToTheLimit) {
  const Communicator world;
  TestSource<double> zeros(world, Matrix<double>(12, 6, 0.0), StorageKind::csr);
  Warnings warnings;
  for (const double beta : {2.0, 1.0, 0.5}) {  // the first error is zero, and no progress is relative to it
    const FittedModel<double> model = fit<double>(zeros, parameters_of(Solver::mu, beta, 1e-4, 23), 0);
    EXPECT_EQ(model.n_iter, 23);
    EXPECT_EQ(warnings.take(), limit_reached(23));
    for (const double value : model.factors.W.span()) EXPECT_EQ(value, 0);
  }
}

/// k = 1 from the singular vectors: the first violation is rounding, which never falls to tol times itself.
TEST(Rules, SaysWhenTheStartWasTheOptimum) {
  const Communicator world;
  TestSource<double> x(world, positive_matrix(40, 9), StorageKind::dense);
  Parameters p = parameters_of(Solver::cd, 2, 1e-4, 20);
  p.n_components = 1;
  p.init = Init::nndsvd;
  Warnings warnings;
  EXPECT_EQ(fit<double>(x, p, 0).n_iter, 20);
  const std::vector<std::string> said = warnings.take();
  ASSERT_EQ(said.size(), 1U);
  EXPECT_NE(said[0].find("the start was the optimum"), std::string::npos) << said[0];
  EXPECT_EQ(said[0].find("Increase it"), std::string::npos) << said[0];
}

/// Zeros of nndsvda are filled with the mean of X: of large values, they are far too large for the factors.
TEST(Rules, SaysWhenLargeValuesHideWhatIsLeftToDo) {
  const Communicator world;
  for (const double factor : {1.0, 1e4}) {
    Matrix<double> values(60, 20, 0.0);
    for (Index i = 0; i < 60; ++i)  // three parts, apart from each other
      for (Index j = 0; j < 20; ++j)
        values(i, j) = factor * (i % 3 == j % 3 ? 1 + static_cast<double>((i * 37 + j * 11) % 13) : 0.3);
    TestSource<double> x(world, values, StorageKind::dense);
    Parameters p = parameters_of(Solver::cd, 2, 1e-4, 500);
    p.n_components = 5;
    p.init = Init::nndsvda;
    Warnings warnings;
    const FittedModel<double> model = fit<double>(x, p, 0);
    EXPECT_TRUE(model.converged);
    const std::vector<std::string> said = warnings.take();
    ASSERT_EQ(said.size(), factor > 1 ? 1U : 0U) << model.n_iter;
    if (factor > 1) EXPECT_NE(said[0].find("--init random"), std::string::npos) << said[0];
  }
}

/// A mini-batch of zeros leaves H as it is: no evidence that H has settled.
TEST(Rules, EmptyMiniBatchesAreNoEvidence) {
  const Communicator world;
  Matrix<double> values = positive_matrix(40, 9);
  for (Index i = 10; i < 20; ++i)
    for (Index j = 0; j < 9; ++j) values(i, j) = 0;
  for (const StorageKind kind : {StorageKind::dense, StorageKind::csr}) {
    TestSource<double> x(world, values, kind, 10);
    Parameters p = parameters_of(Solver::mu, 2, 1e-9, 5);
    p.estimator = Estimator::minibatch_nmf;
    p.batch_size = 10;
    p.max_no_improvement = std::nullopt;
    const FittedModel<double> model = fit<double>(x, p, 0);
    EXPECT_EQ(model.n_steps, 20);
    EXPECT_FALSE(model.converged);
  }
}

TEST(Rules, WithoutToleranceEveryIterationIsDoneAndNothingIsSaid) {
  const Communicator world;
  TestSource<double> x(world, positive_matrix(20, 9), StorageKind::dense);
  Warnings warnings;
  for (const Solver solver : {Solver::cd, Solver::mu}) {
    const Parameters p = parameters_of(solver, 2, 0, 13);
    const FittedModel<double> model = fit<double>(x, p, 0);
    EXPECT_EQ(model.n_iter, 13);
    EXPECT_FALSE(model.converged);
    transform<double>(x, model.factors.Ht, p, 0);
    EXPECT_TRUE(warnings.take().empty());
  }
}

TEST(Rules, WarnsAlsoWhenItConvergesInTheLastIteration) {
  const Communicator world;
  TestSource<double> x(world, positive_matrix(20, 9), StorageKind::dense);
  Warnings warnings;
  for (const Solver solver : {Solver::cd, Solver::mu}) {
    Parameters p = parameters_of(solver, 2, 1e-3, 2000);
    const Index needed = fit<double>(x, p, 0).n_iter;
    EXPECT_LT(needed, 2000);
    if (solver == Solver::mu) EXPECT_EQ(needed % 10, 0);
    EXPECT_TRUE(warnings.take().empty());
    p.max_iter = needed;
    EXPECT_EQ(fit<double>(x, p, 0).n_iter, needed);
    EXPECT_EQ(warnings.take(), limit_reached(needed));
  }
}

TEST(Rules, TransformWarnsForNmfAlone) {
  const Communicator world;
  TestSource<double> x(world, positive_matrix(20, 9), StorageKind::dense);
  Parameters p = parameters_of(Solver::mu, 1, 1e-9, 10);
  const FittedModel<double> model = fit<double>(x, p, 0);
  Warnings warnings;
  transform<double>(x, model.factors.Ht, p, 0);
  EXPECT_EQ(warnings.take(), limit_reached(10));
  p.estimator = Estimator::minibatch_nmf;
  transform<double>(x, model.factors.Ht, p, 0);
  EXPECT_TRUE(warnings.take().empty());
}

TEST(Rules, MultiplicativeUpdatesFromNndsvdWarn) {
  const Communicator world;
  TestSource<double> x(world, positive_matrix(20, 9), StorageKind::dense);
  for (const Estimator estimator : {Estimator::nmf, Estimator::minibatch_nmf}) {
    Parameters p = parameters_of(Solver::mu, 2, 0, 2);
    p.estimator = estimator;
    p.batch_size = 20;
    p.init = Init::nndsvd;
    Warnings warnings;
    const FittedModel<double> model = fit<double>(x, p, 0);
    EXPECT_EQ(warnings.take().size(), estimator == Estimator::nmf ? 1U : 0U);
  }
}

}  // namespace
}  // namespace scanmf
