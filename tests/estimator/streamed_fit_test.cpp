// X streamed from its file against X in memory: the same factors, to the bit, for both estimators, all kinds of
// updates, transform and initialisation.
#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <cstring>

#include "data/wrapped_source.hpp"
#include "scanmf/core/log.hpp"
#include "scanmf/data/matrix_file.hpp"
#include "scanmf/estimator/estimator.hpp"
#include "support/messages.hpp"
#include "support/sample_files.hpp"
#include "support/temporary_folder.hpp"

namespace scanmf {
namespace {

void nobody(LogLevel, std::string_view) {}
const bool quiet = (set_log_sink(nobody), true);  // max_iter is reached on purpose

constexpr Index rows = 700;
constexpr Index columns = 45;

struct Problem {
  std::string name;
  Estimator estimator = Estimator::nmf;
  Solver solver = Solver::cd;
  double beta = 2;
  double tol = 0;
  Index max_iter = 12;
  bool shuffle = false;
  Acceleration acceleration = Acceleration::none;
  bool fresh_restarts = false;
  Init init = Init::random;
  Index batch_size = 100;

  Parameters parameters() const {
    Parameters p;
    p.estimator = estimator;
    p.n_components = 4;
    p.init = init;
    p.solver = solver;
    p.beta_loss = beta;
    p.max_iter = max_iter;
    p.tol = tol;
    p.shuffle = shuffle;
    p.acceleration = acceleration;
    p.alpha_W = 0.0005;
    p.l1_ratio = 0.5;
    p.batch_size = batch_size;
    p.fresh_restarts = fresh_restarts;
    p.max_no_improvement = std::nullopt;
    return p;
  }
};

const std::vector<Problem> fits = {
    {.name = "cd"},
    {.name = "cd, shuffled", .shuffle = true},
    {.name = "cd, sweeps", .acceleration = Acceleration::sweeps},
    {.name = "cd, extrapolation", .acceleration = Acceleration::extrapolation},
    {.name = "mu", .solver = Solver::mu, .tol = 1e-3},
    {.name = "mu KL", .solver = Solver::mu, .beta = 1, .tol = 1e-3},
    {.name = "mu IS", .solver = Solver::mu, .beta = 0},
    {.name = "mu 1.5", .solver = Solver::mu, .beta = 1.5},
    {.name = "nndsvda", .init = Init::nndsvda},
    {.name = "nndsvdar", .init = Init::nndsvdar},
    {.name = "mini-batch", .estimator = Estimator::minibatch_nmf, .max_iter = 3},
    {.name = "mini-batch KL", .estimator = Estimator::minibatch_nmf, .beta = 1, .max_iter = 3},
    {.name = "mini-batch IS", .estimator = Estimator::minibatch_nmf, .beta = 0, .max_iter = 3},
    {.name = "mini-batch, fresh", .estimator = Estimator::minibatch_nmf, .max_iter = 2, .fresh_restarts = true},
    {.name = "mini-batch KL, fresh",
     .estimator = Estimator::minibatch_nmf,
     .beta = 1,
     .tol = 1e-2,
     .max_iter = 2,
     .fresh_restarts = true},
    {.name = "mini-batch 0.5, fresh",
     .estimator = Estimator::minibatch_nmf,
     .beta = 0.5,
     .max_iter = 2,
     .fresh_restarts = true}};

const std::vector<Problem> transforms = {
    {.name = "cd", .tol = 1e-2, .max_iter = 200},
    {.name = "cd to the limit", .tol = 1e-12, .max_iter = 9},
    {.name = "cd, shuffled", .tol = 1e-3, .max_iter = 200, .shuffle = true},
    {.name = "cd, sweeps", .tol = 1e-3, .max_iter = 200, .acceleration = Acceleration::sweeps},
    {.name = "mu", .solver = Solver::mu, .tol = 1e-4, .max_iter = 200},
    {.name = "mu KL", .solver = Solver::mu, .beta = 1, .tol = 1e-4, .max_iter = 200},
    {.name = "mu KL, no rule", .solver = Solver::mu, .beta = 1, .max_iter = 15},
    {.name = "mu IS", .solver = Solver::mu, .beta = 0, .tol = 1e-3, .max_iter = 200},
    {.name = "mini-batch", .estimator = Estimator::minibatch_nmf, .tol = 1e-3, .max_iter = 200},
    {.name = "mini-batch KL", .estimator = Estimator::minibatch_nmf, .beta = 1, .tol = 1e-3, .max_iter = 200},
    {.name = "mini-batch 0.5", .estimator = Estimator::minibatch_nmf, .beta = 0.5, .max_iter = 7}};

/// The same matrix in several layouts: dense, in chunks that tiles and batches cut, and as CSR, with zeros or without.
/// The later rows are larger.
class Files {
 public:
  Files() {
    folder_.on_root([&] {
      std::vector<double> x = test::sample_values(rows, columns);
      for (std::size_t i = 0; i < x.size(); ++i) x[i] *= i > x.size() / 2 ? 7 : 1;
      hdf5::File file = hdf5::File::create(folder_.file("x.h5"));
      test::write_sample(file, "/zeros", {rows, columns}, x, {.type = H5T_IEEE_F64LE});
      write_csr(file, "/csr", x, 500);
      write_csr(file, "/tall_csr", x, 2500);
      for (double& value : x) value += 0.1;
      test::write_sample(file, "/plain", {rows, columns}, x, {.type = H5T_IEEE_F32BE});
      test::write_sample(file, "/chunked", {rows, columns}, x,
                         {.type = H5T_IEEE_F64LE, .chunk = {90, 20}, .gzip = 1, .shuffle = true});
      test::write_sample(file, "/tall", {rows, columns}, x, {.type = H5T_IEEE_F32LE, .chunk = {128, 20}, .gzip = 1});
      write_csr(file, "/full_csr", x, 500);
    });
  }
  std::string input(const std::string& path) const { return folder_.file("x.h5") + ":" + path; }

 private:
  static void write_csr(hdf5::File& file, const std::string& path, const std::vector<double>& x, hsize_t chunk) {
    std::vector<double> values, places, bounds(1, 0);
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (x[i] != 0) values.push_back(x[i]);
      if (x[i] != 0) places.push_back(static_cast<double>(i % columns));
      if ((i + 1) % columns == 0) bounds.push_back(static_cast<double>(values.size()));
    }
    test::write_sample(file, path + "/data", {values.size()}, values,
                       {.type = H5T_IEEE_F64LE, .chunk = {chunk}, .gzip = 1});
    test::write_sample(file, path + "/indices", {places.size()}, places, {.type = H5T_STD_I32LE});
    test::write_sample(file, path + "/indptr", {bounds.size()}, bounds, {.type = H5T_STD_I64LE});
    file.write_attribute(path, "encoding-type", std::string("csr_matrix"));
    file.write_integers_attribute(path, "shape", std::vector<Index>{rows, columns});
  }
  test::TemporaryFolder folder_;
};

template <Scalar T>
bool same_bits(const Matrix<T>& a, const Matrix<T>& b) {
  return a.rows() == b.rows() && a.columns() == b.columns() &&
         std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.rows() * a.columns()) * sizeof(T)) == 0;
}

/// Hands out another source's blocks and counts the elements' rows that it has handed out.
template <Scalar T>
class CountingSource final : public data::WrappedSource<T> {
 public:
  using data::WrappedSource<T>::WrappedSource;
  void visit(Index batch, const typename DataSource<T>::Visitor& visitor) override {
    this->whole_.visit(batch, [&](const Block<T>& block) {
      visited_ += block.rows();
      visitor(block);
    });
  }
  double readings() const {
    return this->local_rows() > 0 ? static_cast<double>(visited_) / static_cast<double>(this->local_rows()) : 0;
  }

 private:
  Index visited_ = 0;
};

struct Sources {
  std::unique_ptr<DataSource<double>> loaded;
  std::unique_ptr<DataSource<double>> streamed;
  Sources(const Communicator& comm, const std::string& input, Index batch_rows,
          Index memory = 9000) {  // blocks of a few tiles
    const MatrixDescription description = describe_matrix(comm, input, "NMF");
    LoadOptions options{.batch_rows = batch_rows};
    loaded = load_matrix<double>(comm, description, options);
    options.memory = memory;
    streamed = open_source<double>(comm, description, options);
  }
};

bool has_zeros(const std::string& path) { return path == "/zeros" || path == "/csr" || path == "/tall_csr"; }

TEST(Streamed, FitsEqualThoseInMemoryToTheBit) {
  const Communicator comm;
  const Files files;
  for (const char* path : {"/chunked", "/csr", "/full_csr"}) {
    for (const Problem& problem : fits) {
      if (problem.beta <= 0 && has_zeros(path)) continue;
      const Parameters p = problem.parameters();
      const Sources x(comm, files.input(path), p.estimator == Estimator::minibatch_nmf ? p.batch_size : 0);
      ASSERT_FALSE(x.streamed->in_memory());
      const FittedModel<double> a = fit(*x.loaded, p, 5);
      const FittedModel<double> b = fit(*x.streamed, p, 5);
      EXPECT_TRUE(same_bits(a.factors.Ht, b.factors.Ht)) << problem.name << " of " << path;
      EXPECT_TRUE(same_bits(a.factors.W, b.factors.W)) << problem.name << " of " << path;
      EXPECT_EQ(a.n_iter, b.n_iter) << problem.name << " of " << path;
      EXPECT_EQ(a.reconstruction_err, b.reconstruction_err) << problem.name << " of " << path;
    }
  }
}

/// Batches of 16 rows are exchanged at once, larger ones in rounds.
TEST(Streamed, FitsWithExchangedRowsEqualThoseInMemoryToTheBit) {
  const Communicator comm;
  const Files files;
  for (Problem problem : fits) {
    if (problem.estimator != Estimator::minibatch_nmf) continue;
    for (const auto& [path, init] :
         {std::pair("/tall", Init::random), std::pair("/tall", Init::nndsvda), std::pair("/tall_csr", Init::random)})
      for (const Index batch_size : {16, 64, 96}) {
        problem.init = init;
        problem.batch_size = batch_size;
        if (problem.beta <= 0 && has_zeros(path)) continue;
        const Index memory = (has_zeros(path) ? 160000 : 250000) / comm.size();  // less than X takes
        const Sources x(comm, files.input(path), batch_size, memory);
        ASSERT_EQ(x.streamed->exchanges(), comm.size() > 1) << path << " " << batch_size;
        RunReport report;
        FitControl<double> control;
        control.report = &report;
        const FittedModel<double> a = fit(*x.loaded, problem.parameters(), 5);
        const FittedModel<double> b = fit(*x.streamed, problem.parameters(), 5, {}, control);
        EXPECT_TRUE(same_bits(a.factors.Ht, b.factors.Ht)) << problem.name << " of " << path << " " << batch_size;
        EXPECT_TRUE(same_bits(a.factors.W, b.factors.W)) << problem.name << " of " << path << " " << batch_size;
        EXPECT_EQ(a.reconstruction_err, b.reconstruction_err) << problem.name << " of " << path << " " << batch_size;
        EXPECT_EQ(report.exchange.calls > 0, comm.size() > 1);
        EXPECT_EQ(comm.sum(report.exchange.bytes) > 0, comm.size() > 1);
      }
  }
}

TEST(Streamed, TransformEqualsThatInMemoryToTheBit) {
  const Communicator comm;
  const Files files;
  for (const char* path : {"/zeros", "/plain", "/chunked", "/csr", "/full_csr"}) {
    const Sources x(comm, files.input(path), 0);
    const FittedModel<double> model = fit(*x.loaded, Problem{.name = "", .max_iter = 5}.parameters(), 3);
    for (const Problem& problem : transforms) {
      if (problem.beta <= 0 && has_zeros(path)) continue;
      const Parameters p = problem.parameters();
      const Matrix<double> expected = transform(*x.loaded, model.factors.Ht, p, 5);
      EXPECT_TRUE(same_bits(transform(*x.streamed, model.factors.Ht, p, 5), expected))
          << problem.name << " of " << path;
      for (const Index memory : {Index{1}, Index{1} << 30}) {
        CountingSource<double> counting(*x.streamed);
        Matrix<double> W(x.streamed->local_rows(), 4, -1.0);
        const Index first = x.streamed->partition().piece(0, comm.rank()).begin;
        Index written = 0;
        const auto keep = [&](Index row, MatrixView<const double> values) {
          written += values.rows;
          for (Index i = 0; i < values.rows; ++i) std::copy_n(values.row(i), 4, W.row(row - first + i));
        };
        transform<double>(counting, model.factors.Ht, p, 5, keep, memory);
        EXPECT_TRUE(same_bits(W, expected)) << problem.name << " of " << path << " in " << memory;
        EXPECT_EQ(written, W.rows());
        EXPECT_LE(counting.readings(), 2.0) << problem.name << " of " << path;
        if (memory > 1 && problem.solver == Solver::cd && problem.beta == 2)
          EXPECT_LE(counting.readings(), 1.0) << problem.name;
      }
    }
  }
}

/// Solving for W takes two readings, the statistics for H a third one; the first epoch of fresh restarts one more for
/// the means of its batches.
TEST(Streamed, LearningWithFreshWReadsXAFewTimes) {
  const Communicator comm;
  const Files files;
  for (const double beta : {2.0, 1.0, 0.5}) {
    Problem problem{.name = "",
                    .estimator = Estimator::minibatch_nmf,
                    .beta = beta,
                    .tol = 1e-9,
                    .max_iter = 3,
                    .fresh_restarts = true};
    const Sources batches(comm, files.input("/plain"), problem.batch_size);
    CountingSource<double> counting(*batches.streamed);
    fit(counting, problem.parameters(), 5);
    // three epochs, the means, all of W in the end (once more where the first guess is too low), the error
    EXPECT_LE(counting.readings(), 3 * (beta == 2 ? 2 : 3) + 1 + (beta == 2 ? 1 : 3) + 1) << "beta " << beta;

    const Sources chunk(comm, files.input("/plain"), rows);
    CountingSource<double> counting_chunk(*chunk.streamed);
    FittedModel<double> model = unfitted_model(*chunk.streamed, problem.parameters(), 5);
    partial_fit(counting_chunk, model, {});
    EXPECT_LE(counting_chunk.readings(), beta == 2 ? 2 : 3) << "beta " << beta;
  }
}

/// Rows that need hardly any iterations come first, so that the number of iterations is guessed too low.
TEST(Streamed, TransformReadsAgainWhenTheGuessWasTooLow) {
  const Communicator comm;
  const test::TemporaryFolder folder;
  folder.on_root([&] {
    std::vector<double> x = test::sample_values(rows, columns);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = i / columns < 500 ? static_cast<double>(i % 3 == 0) * 1e-6 : x[i];
    hdf5::File file = hdf5::File::create(folder.file("x.h5"));
    test::write_sample(file, "/X", {rows, columns}, x, {.type = H5T_IEEE_F64LE});
  });
  const Sources x(comm, folder.file("x.h5"), 0);
  Matrix<double> Ht(columns, 4);
  for (Index i = 0; i < columns * 4; ++i)
    Ht.data()[i] = 1 + static_cast<double>(i * 37 % 11) / 100;  // much alike: convergence is slow
  const Parameters p = Problem{.name = "", .tol = 1e-7, .max_iter = 5000}.parameters();
  CountingSource<double> counting(*x.streamed);
  const Matrix<double> expected = transform(*x.loaded, Ht, p, 5);
  Matrix<double> W(x.streamed->local_rows(), 4, -1.0);
  const Index first = x.streamed->partition().piece(0, comm.rank()).begin;
  transform<double>(
      counting, Ht, p, 5,
      [&](Index row, MatrixView<const double> values) {
        for (Index i = 0; i < values.rows; ++i) std::copy_n(values.row(i), 4, W.row(row - first + i));
      },
      1);
  EXPECT_TRUE(same_bits(W, expected));
  if (comm.size() == 1) EXPECT_GT(counting.readings(), 2.0);
}

TEST(Streamed, ErrorOfWhoTakesRowsIsEverybodys) {
  const Communicator comm;
  const Files files;
  const Sources x(comm, files.input("/plain"), 0);
  const Matrix<double> Ht(columns, 4, 0.5);
  const int last = comm.size() - 1;
  for (const Index memory : {Index{1}, Index{1} << 30}) {
    const std::string message = test::message_of([&] {
      transform<double>(
          *x.streamed, Ht, Problem{.name = "", .tol = 1e-3}.parameters(), 5,
          [&](Index, MatrixView<const double>) {
            if (comm.rank() == last) throw Error("no room");
          },
          memory);
    });
    EXPECT_NE(message.find("no room"), std::string::npos) << message;
  }
}

/// NaN equals NaN.
std::vector<std::uint64_t> bits_of(const std::vector<double>& values) {
  std::vector<std::uint64_t> bits;
  for (const double value : values) bits.push_back(std::bit_cast<std::uint64_t>(value));
  return bits;
}

/// Fits of different k, seed and loss over one source.
std::vector<FitTask<double>> tasks_of(DataSource<double>& x, const std::vector<Problem>& problems) {
  std::vector<FitTask<double>> tasks;
  for (const Problem& problem : problems) {
    const auto seed = static_cast<std::uint32_t>(7 + tasks.size());
    Parameters p = problem.parameters();
    p.n_components = 3 + static_cast<Index>(tasks.size());
    tasks.push_back({p, seed, unfitted_model(x, p, seed).factors});
  }
  return tasks;
}

void expect_the_same(const FittedModel<double>& a, const FittedModel<double>& b) {
  EXPECT_TRUE(same_bits(a.factors.W, b.factors.W));
  EXPECT_TRUE(same_bits(a.factors.Ht, b.factors.Ht));
  EXPECT_EQ(a.n_iter, b.n_iter);
  EXPECT_EQ(a.reconstruction_err, b.reconstruction_err);
  EXPECT_EQ(a.converged, b.converged);
  for (std::size_t c = 0; c < a.history.columns.size(); ++c) {
    const auto& [name, values] = a.history.columns[c];
    if (name != "seconds") EXPECT_EQ(bits_of(values), bits_of(b.history.columns.at(c).second)) << name;
  }
}

/// In memory and streamed, several fits together have the bits of each alone, and X is read once an iteration for all
/// of them.
TEST(Streamed, FitsThatSharePassesEqualThoseAlone) {
  const Communicator comm;
  const Files files;
  const std::vector<Problem> to_the_limit = {
      {.name = "cd", .max_iter = 9, .shuffle = true},
      {.name = "extrapolation", .max_iter = 12, .acceleration = Acceleration::extrapolation},
      {.name = "KL", .solver = Solver::mu, .beta = 1, .max_iter = 12},
      {.name = "1.5", .solver = Solver::mu, .beta = 1.5, .max_iter = 11}};
  const std::vector<Problem> with_rules = {
      {.name = "mu", .solver = Solver::mu, .tol = 1e-3, .max_iter = 60},
      {.name = "cd", .tol = 1e-2, .max_iter = 60},
      {.name = "IS", .solver = Solver::mu, .beta = 0, .tol = 1e-2, .max_iter = 60}};
  const std::vector<Problem> mini_batches = {
      {.name = "2", .estimator = Estimator::minibatch_nmf, .max_iter = 3},
      {.name = "KL", .estimator = Estimator::minibatch_nmf, .beta = 1, .max_iter = 2},
      {.name = "0.5", .estimator = Estimator::minibatch_nmf, .beta = 0.5, .max_iter = 3}};
  for (const char* path : {"/chunked", "/full_csr"}) {
    for (const auto* problems : {&to_the_limit, &with_rules, &mini_batches}) {
      const Sources x(comm, files.input(path), problems == &mini_batches ? problems->front().batch_size : 0);
      for (DataSource<double>* source : {x.loaded.get(), x.streamed.get()}) {
        CountingSource<double> counting(*source);
        const auto models = fit_together<double>(counting, tasks_of(*source, *problems));
        Index iterations = 0;
        for (std::size_t i = 0; i < problems->size(); ++i) {
          SCOPED_TRACE((*problems)[i].name + " of " + path);
          FitTask<double> alone = std::move(tasks_of(*source, *problems)[i]);
          expect_the_same(models[i], fit_from(*source, alone.parameters, alone.seed, std::move(alone.initial)));
          iterations = std::max(iterations, models[i].n_iter);
        }
        if (problems != &with_rules && source->local_rows() > 0)
          EXPECT_EQ(counting.readings(), static_cast<double>(iterations + 1)) << path;  // and the error at the end
      }
    }
  }
}

/// What a caller's function throws on one rank between two messages ends the fit on every rank, with its words.
TEST(Streamed, ErrorOfACallbackIsEverybodys) {
  const Communicator comm;
  const Files files;
  const Sources x(comm, files.input("/plain"), 0);
  const int last = comm.size() - 1;
  for (const Index when : {1, 3, 12}) {
    FitControl<double> control;
    control.on_progress = [&](const Progress& now) {
      if (comm.rank() == last && now.iteration == when) throw Error("the listener has left");
    };
    const std::string message =
        test::message_of([&] { fit(*x.loaded, Problem{.name = ""}.parameters(), 5, {}, control); });
    EXPECT_NE(message.find("the listener has left"), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace scanmf
