// Fits on the ranks of the world against the same fits on one rank: the answer does not depend on the number of ranks;
// a run that stops and goes on gives the bits of one that does not stop; errors end all ranks.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "init/test_source.hpp"
#include "scanmf/estimator/estimator.hpp"
#include "support/messages.hpp"

namespace scanmf {
namespace {

Matrix<double> sample_matrix(Index rows, Index columns, double zeros) {
  std::mt19937 engine(static_cast<unsigned>(rows * 31 + columns));
  std::uniform_real_distribution<double> uniform(0.0, 1.0);
  Matrix<double> x(rows, columns);
  for (double& value : x.span()) value = uniform(engine) < zeros ? 0.0 : 0.1 + uniform(engine);
  return x;
}

Parameters parameters_for(Estimator estimator, Solver solver, double beta, Index max_iter = 12) {
  Parameters p;
  p.estimator = estimator;
  p.n_components = 3;
  p.init = Init::random;
  p.solver = solver;
  p.beta_loss = beta;
  p.max_iter = max_iter;
  p.tol = 0;
  p.alpha_W = 0.001;
  p.l1_ratio = 0.5;
  p.batch_size = 17;
  p.max_no_improvement = std::nullopt;
  return p;
}

Index batch_rows_of(const Parameters& p, Index rows) {
  return p.estimator == Estimator::nmf ? rows : std::min(p.batch_size, rows);
}

/// All of W in global order, from the ranks' rows.
template <Scalar T>
Matrix<T> gathered(const DataSource<T>& source, const Matrix<T>& W) {
  const Communicator& comm = source.communicator();
  const RowPartition& partition = source.partition();
  std::vector<double> all(static_cast<std::size_t>(source.shape().rows * W.columns()), 0.0);
  for (Index batch = 0; batch < partition.batches(); ++batch) {
    const Range piece = partition.piece(batch, comm.rank());
    for (Index i = piece.begin; i < piece.end; ++i)
      for (Index c = 0; c < W.columns(); ++c)
        all[static_cast<std::size_t>(i * W.columns() + c)] =
            static_cast<double>(W(partition.local_begin(batch, comm.rank()) + i - piece.begin, c));
  }
  comm.allreduce_sum(std::span<double>(all));
  Matrix<T> result(source.shape().rows, W.columns());
  for (Index i = 0; i < result.rows() * result.columns(); ++i)
    result.data()[i] = static_cast<T>(all[static_cast<std::size_t>(i)]);
  return result;
}

template <Scalar T>
void expect_close(const Matrix<T>& a, const Matrix<T>& b, const char* what) {
  ASSERT_EQ(a.rows(), b.rows());
  ASSERT_EQ(a.columns(), b.columns());
  double largest = 0;
  double difference = 0;
  for (Index i = 0; i < a.rows() * a.columns(); ++i) {
    largest = std::max(largest, std::abs(static_cast<double>(b.data()[i])));
    difference = std::max(difference, std::abs(static_cast<double>(a.data()[i]) - static_cast<double>(b.data()[i])));
  }
  EXPECT_LE(difference, (sizeof(T) == 4 ? 1e-4 : 1e-11) * largest) << what;
}

template <Scalar T>
bool same_bits(const Matrix<T>& a, const Matrix<T>& b) {
  return a.rows() == b.rows() && a.columns() == b.columns() &&
         std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.rows() * a.columns()) * sizeof(T)) == 0;
}

template <Scalar T>
void compare_with_one_rank(Index rows, Index columns, StorageKind kind, const Parameters& p) {
  SCOPED_TRACE(::testing::Message() << rows << " x " << columns << ", estimator " << class_name(p.estimator)
                                    << ", beta " << p.beta_loss << ", "
                                    << (kind == StorageKind::dense ? "dense" : "csr"));
  const Matrix<double> x = sample_matrix(rows, columns, kind == StorageKind::dense || p.beta_loss <= 0 ? 0.0 : 0.6);
  const Communicator world;
  const Communicator self(MPI_COMM_SELF);
  TestSource<T> many(world, x, kind, batch_rows_of(p, rows));
  TestSource<T> one(self, x, kind, batch_rows_of(p, rows));
  const FittedModel<T> actual = fit<T>(many, p, 7);
  const FittedModel<T> expected = fit<T>(one, p, 7);
  EXPECT_EQ(actual.n_iter, expected.n_iter);
  EXPECT_EQ(actual.n_steps, expected.n_steps);
  EXPECT_EQ(actual.converged, expected.converged);
  EXPECT_NEAR(actual.reconstruction_err, expected.reconstruction_err,
              (sizeof(T) == 4 ? 1e-4 : 1e-10) * (1 + expected.reconstruction_err));
  expect_close(actual.factors.Ht, expected.factors.Ht, "H");
  expect_close(gathered(many, actual.factors.W), expected.factors.W, "W");
  expect_close(gathered(many, transform<T>(many, actual.factors.Ht, p, 7)), transform<T>(one, actual.factors.Ht, p, 7),
               "transform");
}

const double all_betas[] = {2.0, 1.0, 0.0, 0.5, 1.5, 3.0, -1.0};

TEST(Fit, DoesNotDependOnTheNumberOfRanks) {
  for (const StorageKind kind : {StorageKind::dense, StorageKind::csr}) {
    compare_with_one_rank<double>(301, 23, kind, parameters_for(Estimator::nmf, Solver::cd, 2));
    compare_with_one_rank<float>(301, 23, kind, parameters_for(Estimator::nmf, Solver::cd, 2));
    for (const double beta : all_betas) {
      compare_with_one_rank<double>(150, 21, kind, parameters_for(Estimator::nmf, Solver::mu, beta));
      compare_with_one_rank<double>(50, 12, kind, parameters_for(Estimator::minibatch_nmf, Solver::cd, beta, 3));
    }
  }
}

TEST(Fit, WorksWithFewerRowsThanRanks) {
  for (const Index rows : {1, 2, 3}) {
    compare_with_one_rank<double>(rows, 9, StorageKind::dense, parameters_for(Estimator::nmf, Solver::cd, 2));
    compare_with_one_rank<double>(rows, 9, StorageKind::csr, parameters_for(Estimator::nmf, Solver::mu, 1));
    compare_with_one_rank<double>(rows, 9, StorageKind::dense,
                                  parameters_for(Estimator::minibatch_nmf, Solver::mu, 2, 3));
    compare_with_one_rank<double>(rows, 1, StorageKind::dense, parameters_for(Estimator::nmf, Solver::mu, 2));
  }
}

TEST(Fit, FreshRestartsAndShuffleDoNotDependOnTheNumberOfRanks) {
  Parameters fresh = parameters_for(Estimator::minibatch_nmf, Solver::mu, 1, 3);
  fresh.fresh_restarts = true;
  compare_with_one_rank<double>(60, 11, StorageKind::dense, fresh);
  fresh.beta_loss = 0.5;
  fresh.tol = 1e-3;
  compare_with_one_rank<double>(60, 11, StorageKind::csr, fresh);
  Parameters shuffled = parameters_for(Estimator::nmf, Solver::cd, 2);
  shuffled.shuffle = true;
  compare_with_one_rank<double>(60, 11, StorageKind::dense, shuffled);
}

Parameters accelerated(Acceleration acceleration, Index max_iter = 12) {
  Parameters p = parameters_for(Estimator::nmf, Solver::cd, 2, max_iter);
  p.acceleration = acceleration;
  return p;
}

TEST(Fit, AccelerationDoesNotDependOnTheNumberOfRanks) {
  for (const StorageKind kind : {StorageKind::dense, StorageKind::csr}) {
    for (const Acceleration acceleration : {Acceleration::sweeps, Acceleration::extrapolation}) {
      compare_with_one_rank<double>(301, 23, kind, accelerated(acceleration));
      compare_with_one_rank<float>(301, 23, kind, accelerated(acceleration));
      compare_with_one_rank<double>(2, 9, kind, accelerated(acceleration));
    }
  }
}

/// Every column but the seconds.
void expect_same_history(const History& a, const History& b) {
  ASSERT_EQ(a.columns.size(), b.columns.size());
  for (const auto& [name, values] : b.columns) {
    const auto found = std::ranges::find(a.columns, name, &std::pair<std::string, std::vector<double>>::first);
    ASSERT_NE(found, a.columns.end()) << name;
    ASSERT_EQ(found->second.size(), values.size()) << name;
    for (std::size_t i = 0; i < values.size() && name != "seconds"; ++i)
      EXPECT_TRUE(found->second[i] == values[i] || (std::isnan(found->second[i]) && std::isnan(values[i])))
          << name << " " << i;
  }
}

/// Runs once through, and once stopped after `stop_after` iterations and continued from the saved model, whose history
/// came back in another order. by_blocks: solving for W alone goes block by block, and counts when it is done only.
template <Scalar T>
void compare_continued(const Parameters& p, Index stop_after, bool by_blocks = false) {
  SCOPED_TRACE(::testing::Message() << class_name(p.estimator) << ", beta " << p.beta_loss << ", stopped after "
                                    << stop_after);
  const Matrix<double> x = sample_matrix(120, 14, 0);
  const Communicator world;
  TestSource<T> source(world, x, StorageKind::dense, batch_rows_of(p, 120));
  if (by_blocks) source.pretend_to_be_streamed();
  const FittedModel<T> straight = fit<T>(source, p, 3);
  FitControl<T> control;
  Index done = 0;
  Index saved = 0;
  control.on_progress = [&](const Progress& now) { done = now.iteration; };
  control.stop_requested = [&] {
    return world.rank() == world.size() - 1 && done + 1 >= stop_after;
  };  // one rank alone asks
  control.save = [&](const FittedModel<T>& model) {
    ++saved;
    EXPECT_TRUE(model.stopped);
  };
  FittedModel<T> model = fit<T>(source, p, 3, "", control);
  EXPECT_EQ(saved, 1);
  ASSERT_TRUE(model.stopped);
  EXPECT_EQ(done, by_blocks ? stop_after - 1 : stop_after);
  std::ranges::sort(model.history.columns);
  continue_fit<T>(source, 3, model);
  EXPECT_TRUE(same_bits(model.factors.W, straight.factors.W));
  EXPECT_TRUE(same_bits(model.factors.Ht, straight.factors.Ht));
  EXPECT_EQ(model.n_iter, straight.n_iter);
  EXPECT_EQ(model.n_steps, straight.n_steps);
  EXPECT_EQ(model.converged, straight.converged);
  EXPECT_EQ(model.reconstruction_err, straight.reconstruction_err);
  expect_same_history(model.history, straight.history);
}

TEST(Fit, ContinuesBitForBitWhereItStopped) {
  Parameters p = parameters_for(Estimator::nmf, Solver::cd, 2, 60);
  p.tol = 1e-3;
  compare_continued<double>(p, 4);
  p.shuffle = true;
  compare_continued<float>(p, 5);
  p.acceleration = Acceleration::sweeps;
  compare_continued<float>(p, 5);
  p.acceleration = Acceleration::extrapolation;
  for (Index stop_after = 1; stop_after < 14; ++stop_after) compare_continued<double>(p, stop_after);
  p = parameters_for(Estimator::nmf, Solver::mu, 1, 60);
  p.tol = 1e-3;
  compare_continued<double>(p, 13);
  p = parameters_for(Estimator::minibatch_nmf, Solver::mu, 0.5, 8);
  p.max_no_improvement = 40;
  compare_continued<double>(p, 11);
  p.fresh_restarts = true;
  compare_continued<double>(p, 3);
  const Index steps = 8 * 8;
  compare_continued<double>(p, steps + 3);  // while W is solved for
  compare_continued<double>(p, steps + 1, true);
  p.beta_loss = 2;
  compare_continued<float>(p, steps + 5);
}

TEST(Fit, ObjectiveNeverRises) {
  const Matrix<double> x = sample_matrix(80, 17, 0);
  const Communicator world;
  TestSource<double> source(world, x, StorageKind::dense);
  for (const double beta : {2.0, 1.0, 1.5}) {
    for (const Solver solver : {Solver::cd, Solver::mu}) {
      if (solver == Solver::cd && beta != 2) continue;
      Parameters p = parameters_for(Estimator::nmf, solver, beta, 1);
      p.alpha_W = 0;
      FittedModel<double> model = fit<double>(source, p, 1);
      for (Index iteration = 2; iteration <= 15; ++iteration) {
        const double before = model.reconstruction_err;
        model.parameters.max_iter = iteration;
        continue_fit<double>(source, 1, model);
        EXPECT_LE(model.reconstruction_err, before * (1 + 1e-12)) << "beta " << beta << ", iteration " << iteration;
        for (const double value : model.factors.W.span()) EXPECT_GE(value, 0);
        for (const double value : model.factors.Ht.span()) EXPECT_GE(value, 0);
      }
    }
  }
}

TEST(Fit, OneFullBatchWithoutMemoryIsTheMultiplicativeUpdate) {
  const Matrix<double> x = sample_matrix(40, 10, 0);
  const Communicator world;
  for (const double beta : {2.0, 1.0}) {
    Parameters p = parameters_for(Estimator::nmf, Solver::mu, beta, 7);
    p.alpha_W = 0;
    TestSource<double> source(world, x, StorageKind::dense);
    const FittedModel<double> plain = fit<double>(source, p, 5);
    p.estimator = Estimator::minibatch_nmf;
    p.batch_size = 40;
    p.forget_factor = 0;
    const FittedModel<double> batches = fit<double>(source, p, 5);
    expect_close(batches.factors.Ht, plain.factors.Ht, "H");
    expect_close(batches.factors.W, plain.factors.W, "W");
  }
}

TEST(Fit, SaysWhereNumbersStopBeingFinite) {
  Matrix<double> x = sample_matrix(30, 8, 0);
  for (double& value : x.span()) value *= 1e30;
  const Communicator world;
  TestSource<float> source(world, x, StorageKind::dense);
  try {
    fit<float>(source, parameters_for(Estimator::nmf, Solver::cd, 2), 1);
    ADD_FAILURE() << "no error";
  } catch (const AgreedError& error) {
    EXPECT_NE(std::string(error.what()).find("iteration 1"), std::string::npos) << error.what();
  }
}

TEST(Fit, TransformNamesTheRowThatIsNotFinite) {
  const Communicator world;
  for (const Estimator estimator : {Estimator::nmf, Estimator::minibatch_nmf}) {
    Matrix<double> x = sample_matrix(300, 8, 0);
    for (Index j = 0; j < 8; ++j) x(217, j) = 1e38;
    TestSource<float> source(world, x, StorageKind::dense);
    Parameters p = parameters_for(estimator, Solver::mu, 2);
    p.tol = 0;  // no stop rule that would notice
    const Matrix<float> Ht(8, 3, 2.0F);
    const std::string message = test::message_of([&] { transform<float>(source, Ht, p, 1); });
    EXPECT_EQ(message.find("row 217 of W became "), 0) << message;
  }
}

TEST(Fit, RefusesWhatTheDataForbids) {
  const Communicator world;
  TestSource<double> source(world, sample_matrix(20, 6, 0.5), StorageKind::csr);
  Parameters p = parameters_for(Estimator::nmf, Solver::mu, 0);
  EXPECT_THROW(fit<double>(source, p, 1), AgreedError);
  p = parameters_for(Estimator::nmf, Solver::cd, 2);
  p.init = Init::nndsvd;
  p.n_components = 7;
  EXPECT_THROW(fit<double>(source, p, 1), AgreedError);
  EXPECT_THROW(transform<double>(source, Matrix<double>(5, 2, 1.0), p, 1), AgreedError);
}

}  // namespace
}  // namespace scanmf
