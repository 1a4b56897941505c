// A fit as a job: streamed from a file that its memory does not hold, with a checkpoint, stop requests and progress,
// through the estimators.
#include "scanmf/estimator/job.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>

#include "scanmf/core/log.hpp"
#include "scanmf/estimator/decomposition.hpp"
#include "scanmf/estimator/saved_model.hpp"
#include "support/messages.hpp"
#include "support/sample_files.hpp"
#include "support/temporary_folder.hpp"

namespace scanmf::test {
namespace {

constexpr Index rows = 700;
constexpr Index columns = 23;

class Jobs : public testing::Test {
 protected:
  Jobs() {
    folder.on_root([&] {
      hdf5::File file = hdf5::File::create(input);
      write_sample(file, "/X", {rows, columns}, sample_values(rows, columns));
    });
  }

  Parameters parameters(Index max_iter) const {
    Parameters p;
    p.n_components = 4;
    p.max_iter = max_iter;
    p.tol = 0;
    p.random_state = 3;
    p.batch_size = 96;
    return p;
  }

  FitOptions<double> with_checkpoint(Resume resume = Resume::automatic) const {
    FitOptions<double> options;
    options.checkpoint.file = folder.file("state.h5");
    options.checkpoint.every_iterations = 2;
    options.checkpoint.resume = resume;
    return options;
  }

  bool has_checkpoint() const {
    std::error_code error;
    return comm.max(Index{std::filesystem::exists(folder.file("state.h5"), error)}) != 0;
  }

  const Communicator comm;
  const TemporaryFolder folder;
  const std::string input = folder.file("X.h5");
};

bool same_bits(const Matrix<double>& a, const Matrix<double>& b) {
  return a.rows() == b.rows() && std::equal(a.span().begin(), a.span().end(), b.span().begin(), b.span().end());
}

/// A fit that ends, and one that is stopped after four iterations on one rank's request and fitted again: the same
/// bits.
template <class EstimatorClass>
void stop_and_go_on(const Communicator& comm, const std::string& input, const Parameters& parameters,
                    const CheckpointOptions& checkpoint) {
  EstimatorClass whole(comm, parameters);
  const Matrix<double> W = whole.fit_transform(input);

  Index told = 0;
  FitOptions<double> stopping;
  stopping.checkpoint = checkpoint;
  stopping.memory = {false, Index{20000}};
  stopping.control.on_progress = [&](const Progress& now) { told = now.iteration; };
  stopping.control.stop_requested = [&] { return comm.rank() == comm.size() - 1 && told >= 3; };
  EstimatorClass stopped(comm, parameters);
  stopped.fit(input, std::move(stopping));
  ASSERT_TRUE(stopped.fitted().stopped);
  EXPECT_EQ(told, 4);
  EXPECT_TRUE(std::isnan(stopped.reconstruction_err()));

  FitOptions<double> going_on;
  going_on.checkpoint = checkpoint;
  going_on.checkpoint.resume = Resume::require;
  going_on.memory = {false, Index{20000}};
  EstimatorClass resumed(comm, parameters);
  const Matrix<double> W_resumed = resumed.fit_transform(input, std::move(going_on));
  EXPECT_FALSE(resumed.fitted().stopped);
  EXPECT_EQ(resumed.n_iter(), whole.n_iter());
  EXPECT_EQ(resumed.reconstruction_err(), whole.reconstruction_err());
  EXPECT_TRUE(same_bits(W_resumed, W));
  EXPECT_TRUE(same_bits(resumed.components(), whole.components()));
}

TEST_F(Jobs, GoOnWhereTheyWereStopped) {
  stop_and_go_on<NMF<double>>(comm, input, parameters(9), with_checkpoint().checkpoint);
  EXPECT_FALSE(has_checkpoint());
  for (const Acceleration acceleration : {Acceleration::sweeps, Acceleration::extrapolation}) {
    Parameters accelerated = parameters(12);
    accelerated.acceleration = acceleration;
    stop_and_go_on<NMF<double>>(comm, input, accelerated, with_checkpoint().checkpoint);
    EXPECT_FALSE(has_checkpoint());
  }
  stop_and_go_on<MiniBatchNMF<double>>(comm, input, parameters(2), with_checkpoint().checkpoint);
  EXPECT_FALSE(has_checkpoint());
}

TEST_F(Jobs, StreamWhatMemoryDoesNotHold) {
  const NMF<double> estimator(comm, parameters(5));
  EXPECT_TRUE(estimator.open(input)->in_memory());
  EXPECT_FALSE(estimator.open(input, {false, Index{20000}})->in_memory());
  EXPECT_TRUE(estimator.open(input, {false, std::nullopt})->in_memory());
}

TEST_F(Jobs, StopWithoutACheckpoint) {
  NMF<double> estimator(comm, parameters(50));
  FitOptions<double> options;
  options.control.stop_requested = [] { return true; };
  estimator.fit(input, std::move(options));
  EXPECT_TRUE(estimator.fitted().stopped);
  EXPECT_EQ(estimator.n_iter(), 1);
}

TEST_F(Jobs, StopForTheFileSTOP) {
  folder.on_root([&] { std::ofstream(folder.file("STOP")); });
  NMF<double> estimator(comm, parameters(50));
  estimator.fit(input, with_checkpoint());
  EXPECT_TRUE(estimator.fitted().stopped);
  EXPECT_TRUE(has_checkpoint());
  estimator.fit(input, with_checkpoint());  // the file has done its work
  EXPECT_FALSE(estimator.fitted().stopped);
}

TEST_F(Jobs, RefuseTheStateOfOthers) {
  FitOptions<double> options = with_checkpoint();
  EXPECT_NE(message_of([&] {
              NMF<double>(comm, parameters(5)).fit(input, with_checkpoint(Resume::require));
            }).find("no checkpoint"),
            std::string::npos);
  options.control.stop_requested = [] { return true; };
  NMF<double>(comm, parameters(5)).fit(input, std::move(options));
  Parameters other = parameters(5);
  other.alpha_W = 0.5;
  EXPECT_NE(message_of([&] { NMF<double>(comm, other).fit(input, with_checkpoint()); }).find("alpha_W"),
            std::string::npos);
  EXPECT_TRUE(has_checkpoint());
}

/// This rank's rows of the same X, in memory.
class JobsInMemory : public Jobs {
 protected:
  JobsInMemory() : own(equal_slice(comm, rows)), X(own.size(), columns) {
    const std::vector<double> all = sample_values(rows, columns);
    std::copy_n(all.begin() + own.begin * columns, own.size() * columns, X.data());
  }

  /// Ones, but for the first row of X.
  SampleWeights weights(double first) const {
    SampleWeights result(std::in_place, static_cast<std::size_t>(own.size()), 1.0);
    if (comm.is_root()) result->front() = first;
    return result;
  }

  const Range own;
  Matrix<double> X;
};

TEST_F(JobsInMemory, AreToldApartByTheirWeights) {
  const auto fit = [&](SampleWeights weights, bool stop) {
    NMF<double> estimator(comm, parameters(6));
    FitOptions<double> options = with_checkpoint();
    options.sample_weight = std::move(weights);
    if (stop) options.control.stop_requested = [] { return true; };
    estimator.fit(std::as_const(X).view(), std::move(options));
    return estimator.n_iter();
  };
  fit(weights(1), true);
  for (const SampleWeights& other : {weights(2), SampleWeights()})
    expect_contains(message_of([&] { fit(other, false); }), "sample weights");
  EXPECT_TRUE(has_checkpoint());
  EXPECT_EQ(fit(weights(1), false), 6);
}

TEST_F(JobsInMemory, TakeWeightsInEachChunk) {
  const auto learned = [&](const SampleWeights& weights) {
    MiniBatchNMF<double> estimator(comm, parameters(1));
    FitOptions<double> options;
    options.sample_weight = weights;
    estimator.partial_fit(std::as_const(X).view(), std::move(options));
    return estimator.components();
  };
  const Matrix<double> plain = learned(std::nullopt);
  const Matrix<double> equal = learned(weights(1));
  const Matrix<double> heavy = learned(weights(50));
  double rounding = 0;
  double difference = 0;
  for (Index i = 0; i < plain.rows() * plain.columns(); ++i) {
    rounding = std::max(rounding, std::abs(equal.data()[i] - plain.data()[i]));
    difference = std::max(difference, std::abs(heavy.data()[i] - plain.data()[i]));
  }
  EXPECT_LE(rounding, 1e-10);
  EXPECT_GT(difference, 1e-4);
  expect_contains(message_of([&] { learned(SampleWeights(std::in_place, 3, 1.0)); }), "3 numbers for");
}

/// Factors of init custom: all ranks have all of Ht, of W the rows that they own.
Factors<double> start_for(const DataSource<double>& x, double first_of_H) {
  Factors<double> start;
  start.W = Matrix<double>(x.partition().local_rows(x.communicator().rank()), 4);
  start.Ht = Matrix<double>(columns, 4);
  std::ranges::fill(start.W.span(), 0.5);
  for (Index j = 0; j < columns; ++j)
    for (Index c = 0; c < 4; ++c) start.Ht(j, c) = 0.1 + static_cast<double>((j * (c + 1)) % 5);
  start.Ht(0, 0) = first_of_H;
  return start;
}

class StartedJobs : public Jobs {
 protected:
  StartedJobs() : started(parameters(5)) { started.init = Init::custom; }

  /// Iterations of a fit from factors that differ by first_of_H.
  Index fit(double first_of_H, Resume resume, bool stop = false) {
    NMF<double> estimator(comm, started);
    const auto source = estimator.open(input);
    FitOptions<double> options = with_checkpoint(resume);
    options.fingerprint = "X";
    options.start = start_for(*source, first_of_H);
    if (stop) options.control.stop_requested = [] { return true; };
    estimator.fit(*source, std::move(options));
    return estimator.n_iter();
  }

  /// The checkpoint as versions wrote it that did not say how its fit began.
  void forget_the_start() {
    const std::string file = folder.file("state.h5");
    const auto source = NMF<double>(comm, started).open(input);
    ModelHeader header = read_model_header(comm, file);
    const FittedModel<double> model = read_fitted_model<double>(comm, file, header, &source->partition());
    EXPECT_EQ(std::erase_if(header.state, [](const auto& entry) { return entry.first == "start"; }), 1U);
    write_model(comm, file, header, arrays_of(model, comm, &source->partition()));
  }

  Parameters started;
};

TEST_F(StartedJobs, AreToldApartByTheirStart) {
  fit(1, Resume::never, true);
  for (const Resume resume : {Resume::automatic, Resume::require, Resume::never})
    expect_contains(message_of([&] { fit(2, resume); }), "belongs to other data or parameters: the start (W and H");
  EXPECT_TRUE(has_checkpoint());
  EXPECT_EQ(fit(1, Resume::require), 5);
}

TEST_F(StartedJobs, OfEarlierVersionsGoOnWithAWarning) {
  fit(1, Resume::never, true);
  forget_the_start();
  std::string warnings;
  set_log_sink([&](LogLevel level, std::string_view text) {
    if (level == LogLevel::warning) warnings += text;
  });
  const Index iterations = fit(1, Resume::require);
  set_log_sink({});
  expect_contains(warnings, "does not say with which W and H its fit began");
  EXPECT_EQ(iterations, 5);
}

TEST_F(Jobs, LearnChunksOfFiles) {
  MiniBatchNMF<double> from_file(comm, parameters(5));
  MiniBatchNMF<double> streamed(comm, parameters(5));
  for (int step = 0; step < 2; ++step) {
    from_file.partial_fit(input);
    FitOptions<double> options;
    options.memory = {false, Index{20000}};
    streamed.partial_fit(input, std::move(options));
  }
  EXPECT_EQ(from_file.n_steps(), 2);
  EXPECT_TRUE(same_bits(from_file.components(), streamed.components()));
}

}  // namespace
}  // namespace scanmf::test
