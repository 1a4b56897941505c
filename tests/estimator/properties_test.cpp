// What must hold for any matrix: the objective never rises, factors are never negative, storage and element type change
// nothing but rounding.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "init/test_source.hpp"
#include "scanmf/estimator/estimator.hpp"
#include "scanmf/solver/penalties.hpp"

namespace scanmf {
namespace {

/// A product of factors of rank 4, gamma distributed with this shape, with noise (of an engine) added to each element.
template <class Noise>
Matrix<double> product_with_noise(Index rows, Index columns, double shape, Noise&& noise) {
  std::mt19937 engine(static_cast<unsigned>(rows * 31 + columns));
  std::gamma_distribution<double> gamma(shape, 1.0);
  Matrix<double> w(rows, 4), h(4, columns), x(rows, columns, 0.0);
  for (double& value : w.span()) value = gamma(engine);
  for (double& value : h.span()) value = gamma(engine);
  for (Index i = 0; i < rows; ++i)
    for (Index j = 0; j < columns; ++j) {
      for (Index c = 0; c < 4; ++c) x(i, j) += w(i, c) * h(c, j);
      x(i, j) = noise(x(i, j), engine);
    }
  return x;
}

/// With noise; a share of the elements is zero.
Matrix<double> sample_matrix(Index rows, Index columns, double zeros) {
  std::uniform_real_distribution<double> uniform(0.0, 1.0);
  return product_with_noise(rows, columns, 0.7, [&](double value, std::mt19937& engine) {
    const double sum = value + 0.01 + 0.3 * uniform(engine);
    return uniform(engine) < zeros ? 0.0 : sum;
  });
}

/// With noise of this size relative to the median element.
Matrix<double> product_of_rank(Index rows, Index columns, double noise) {
  std::gamma_distribution<double> gamma(1.0, 1.0);
  return product_with_noise(rows, columns, 1.0,
                            [&](double value, std::mt19937& engine) { return value + noise * gamma(engine); });
}

struct Case {
  Estimator estimator = Estimator::nmf;
  Solver solver = Solver::mu;
  double beta = 2;
  double alpha_W = 0;
  double l1_ratio = 0;
};

Parameters parameters_of(const Case& c, Index max_iter) {
  Parameters p;
  p.estimator = c.estimator;
  p.n_components = 5;
  p.init = Init::random;
  p.solver = c.solver;
  p.beta_loss = c.beta;
  p.alpha_W = c.alpha_W;
  p.alpha_H = c.alpha_W / 2;
  p.l1_ratio = c.l1_ratio;
  p.max_iter = max_iter;
  p.tol = 0;
  p.batch_size = 31;
  p.max_no_improvement = std::nullopt;
  return p;
}

testing::Message description_of(const Case& c) {
  return testing::Message() << class_name(c.estimator) << " " << name_of(c.solver) << ", beta " << c.beta
                            << ", alpha_W " << c.alpha_W << ", l1_ratio " << c.l1_ratio;
}

/// The objective of scikit-learn's documentation.
double objective(DataSource<double>& x, const FittedModel<double>& model) {
  const Parameters& p = model.parameters;
  const Penalties penalties =
      penalties_of(p.alpha_W, p.effective_alpha_H(), p.l1_ratio, x.shape().columns, x.shape().rows);
  double w_sum = 0, w_squares = 0, h_sum = 0, h_squares = 0;
  for (const double value : model.factors.W.span()) {
    w_sum += value;
    w_squares += value * value;
  }
  for (const double value : model.factors.Ht.span()) {
    h_sum += value;
    h_squares += value * value;
  }
  w_sum = x.communicator().sum(w_sum);
  w_squares = x.communicator().sum(w_squares);
  return beta_divergence(x, model.factors.W, model.factors.Ht, p.beta_loss) + penalties.l1_W * w_sum +
         penalties.l1_H * h_sum + penalties.l2_W / 2 * w_squares + penalties.l2_H / 2 * h_squares;
}

std::vector<Case> cases_with_penalties(Solver solver, std::initializer_list<double> betas) {
  std::vector<Case> cases;
  for (const double beta : betas)
    for (const auto& [alpha_W, l1_ratio] : {std::pair{0.0, 0.0}, {0.01, 0.0}, {0.01, 1.0}, {0.003, 0.4}})
      cases.push_back({Estimator::nmf, solver, beta, alpha_W, l1_ratio});
  return cases;
}

/// Penalties included; for every beta from 1 to 2 the exponent of multiplicative updates is 1, and a penalised step
/// descends too.
TEST(Properties, ObjectiveNeverRises) {
  const Communicator world;
  std::vector<Case> cases = cases_with_penalties(Solver::cd, {2.0});
  for (const Case& c : cases_with_penalties(Solver::mu, {1.0, 1.3, 1.5, 2.0})) cases.push_back(c);
  for (const double beta : {-0.5, 0.0, 0.5, 2.5, 3.0}) cases.push_back({Estimator::nmf, Solver::mu, beta, 0, 0});
  for (const StorageKind kind : {StorageKind::dense, StorageKind::csr})
    for (const Case& c : cases) {
      SCOPED_TRACE(description_of(c) << (kind == StorageKind::dense ? ", dense" : ", csr"));
      TestSource<double> x(world, sample_matrix(70, 17, kind == StorageKind::csr && c.beta > 0 ? 0.5 : 0), kind);
      FittedModel<double> model = fit<double>(x, parameters_of(c, 1), 1);
      double before = objective(x, model);
      for (Index iteration = 2; iteration <= 5; ++iteration) {
        model.parameters.max_iter = iteration;
        continue_fit<double>(x, 1, model);
        const double now = objective(x, model);
        EXPECT_LE(now, before + 1e-12 * std::abs(before)) << "iteration " << iteration;
        before = now;
        for (const double value : model.factors.W.span()) ASSERT_GE(value, 0);
        for (const double value : model.factors.Ht.span()) ASSERT_GE(value, 0);
      }
    }
}

const Acceleration accelerations[] = {Acceleration::sweeps, Acceleration::extrapolation};

/// Each number of passes from the start: the model is the best pair so far, whatever the last pass has tried.
TEST(Properties, AcceleratedObjectiveNeverRises) {
  const Communicator world;
  for (const StorageKind kind : {StorageKind::dense, StorageKind::csr})
    for (const Acceleration acceleration : accelerations)
      for (const Case& c : cases_with_penalties(Solver::cd, {2.0})) {
        SCOPED_TRACE(description_of(c) << (kind == StorageKind::dense ? ", dense" : ", csr"));
        TestSource<double> x(world, sample_matrix(70, 17, kind == StorageKind::csr ? 0.5 : 0), kind);
        double before = std::numeric_limits<double>::infinity();
        Index without_violation = 0;
        for (Index passes = 1; passes <= 40; ++passes) {
          Parameters p = parameters_of(c, passes);
          p.acceleration = acceleration;
          const FittedModel<double> model = fit<double>(x, p, 1);
          const double now = objective(x, model);
          EXPECT_LE(now, before + 1e-12 * std::abs(before)) << "after " << passes << " passes";
          before = now;
          for (const double value : model.factors.W.span()) ASSERT_GE(value, 0);
          for (const double value : model.factors.Ht.span()) ASSERT_GE(value, 0);
          without_violation = 0;
          for (const double value : model.history.columns.back().second) without_violation += std::isnan(value) ? 1 : 0;
        }
        EXPECT_EQ(without_violation > 0, acceleration == Acceleration::extrapolation) << "rejected passes are tested";
      }
}

/// SEMANTICS of acceleration: from 20 passes on never worse than plain coordinate descent, and sooner at its goal; tol
/// is compared with the same violation.
TEST(Properties, AccelerationPays) {
  const Communicator world;
  for (const StorageKind kind : {StorageKind::dense, StorageKind::csr}) {
    SCOPED_TRACE(kind == StorageKind::dense ? "dense" : "csr");
    TestSource<double> x(world, sample_matrix(300, 60, kind == StorageKind::csr ? 0.3 : 0), kind);
    const auto fit_with = [&](Acceleration acceleration, Index passes, double tol) {
      Parameters p = parameters_of({.solver = Solver::cd}, passes);
      p.acceleration = acceleration;
      p.tol = tol;
      return fit<double>(x, p, 1);
    };
    for (const Acceleration acceleration : accelerations) {
      for (const Index passes : {20, 40, 80})
        EXPECT_LE(fit_with(acceleration, passes, 0).reconstruction_err,
                  1.001 * fit_with(Acceleration::none, passes, 0).reconstruction_err)
            << passes;
      const FittedModel<double> plain = fit_with(Acceleration::none, 2000, 1e-4);
      const FittedModel<double> fast = fit_with(acceleration, 2000, 1e-4);
      EXPECT_TRUE(fast.converged);
      if (acceleration == Acceleration::extrapolation) EXPECT_LT(fast.n_iter, plain.n_iter);
      const std::vector<double>& violation = fast.history.columns.back().second;
      for (std::size_t i = 1; i < violation.size(); ++i)
        if (!std::isnan(violation[i])) EXPECT_EQ(violation[i] / violation[0] <= 1e-4, i + 1 == violation.size());
    }
  }
}

/// X of rank 4 but for a little noise: the error becomes a small part of X, of which float32 has few digits.
TEST(Properties, ExtrapolationGoesOnWhereTheErrorIsSmall) {
  const Communicator world;
  for (const StorageKind kind : {StorageKind::dense, StorageKind::csr}) {
    Matrix<double> almost = sample_matrix(160, 30, 0);
    for (const double noise : {1.0, 1e-3}) {
      SCOPED_TRACE(testing::Message() << (kind == StorageKind::dense ? "dense" : "csr") << ", noise " << noise);
      if (noise < 1) almost = product_of_rank(160, 30, noise);
      TestSource<float> x(world, almost, kind);
      for (const std::uint32_t seed : {1U, 2U, 3U, 4U, 5U}) {
        const auto error_after = [&](Acceleration acceleration, Index passes) {
          Parameters p = parameters_of({.solver = Solver::cd}, passes);
          p.n_components = 4;
          p.acceleration = acceleration;
          const FittedModel<float> model = fit<float>(x, p, seed);
          Index rejected = 0;
          for (const double value : model.history.columns.back().second) rejected += std::isnan(value) ? 1 : 0;
          EXPECT_LE(rejected, 2 * passes / 5) << "seed " << seed;
          return model.reconstruction_err;
        };
        for (const Index passes : {50, 200})
          EXPECT_LE(error_after(Acceleration::extrapolation, passes), 1.01 * error_after(Acceleration::none, passes))
              << "seed " << seed << ", " << passes << " passes";
      }
    }
  }
}

/// Fits both and compares factors, transform, error and counts.
template <Scalar T, Scalar U>
void expect_same_fits(DataSource<T>& a, DataSource<U>& b, const Parameters& p, double tolerance) {
  const FittedModel<T> of_a = fit<T>(a, p, 3);
  const FittedModel<U> of_b = fit<U>(b, p, 3);
  EXPECT_EQ(of_a.n_iter, of_b.n_iter);
  EXPECT_EQ(of_a.n_steps, of_b.n_steps);
  EXPECT_NEAR(of_a.reconstruction_err, of_b.reconstruction_err, tolerance * of_b.reconstruction_err);
  const Matrix<double> H = transposed(of_b.factors.Ht);
  EXPECT_LE(largest_difference(transposed(of_a.factors.Ht), H), tolerance * largest_entry(H));
  const Matrix<double> W = gather_rows(b, of_b.factors.W);
  EXPECT_LE(largest_difference(gather_rows(a, of_a.factors.W), W), tolerance * largest_entry(W));
  const Matrix<double> new_W = gather_rows(b, transform<U>(b, of_b.factors.Ht, p, 3));
  EXPECT_LE(largest_difference(gather_rows(a, transform<T>(a, of_a.factors.Ht, p, 3)), new_W),
            tolerance * largest_entry(new_W));
}

std::vector<Case> all_cases() {
  std::vector<Case> cases = cases_with_penalties(Solver::cd, {2.0});
  for (const double beta : {2.0, 1.0, 0.0, 0.5, 1.5, 3.0, -1.0})
    for (const double alpha_W : {0.0, 0.003})
      for (const Estimator estimator : {Estimator::nmf, Estimator::minibatch_nmf})
        cases.push_back({estimator, Solver::mu, beta, alpha_W, 0.4});
  return cases;
}

template <Scalar T>
TestSource<T> source_for(const Communicator& comm, const Case& c, StorageKind kind) {
  return TestSource<T>(comm, sample_matrix(80, 19, c.beta > 0 ? 0.5 : 0), kind, c.estimator == Estimator::nmf ? 0 : 31);
}

TEST(Properties, SparseStorageChangesNothing) {
  const Communicator world;
  for (const Case& c : all_cases()) {
    SCOPED_TRACE(description_of(c));
    auto dense = source_for<double>(world, c, StorageKind::dense);
    auto csr = source_for<double>(world, c, StorageKind::csr);
    Parameters p = parameters_of(c, 6);
    expect_same_fits(csr, dense, p, 1e-9);
    p.shuffle = c.solver == Solver::cd;
    if (p.shuffle) expect_same_fits(csr, dense, p, 1e-9);
  }
}

TEST(Properties, Float32IsFloat64Rounded) {
  const Communicator world;
  const std::vector<Case> cases = all_cases();
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const Case& c = cases[i];
    const StorageKind kind = i / 2 % 2 == 0 ? StorageKind::dense : StorageKind::csr;
    SCOPED_TRACE(description_of(c) << (kind == StorageKind::dense ? ", dense" : ", csr"));
    auto in_float32 = source_for<float>(world, c, kind);
    auto in_float64 = source_for<double>(world, c, kind);
    expect_same_fits(in_float32, in_float64, parameters_of(c, 6), 3e-4);
  }
}

}  // namespace
}  // namespace scanmf
