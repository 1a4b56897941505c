// Every run of scikit-learn in tests/data/golden.h5, repeated on this many ranks and threads.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "estimator/golden_case.hpp"
#include "scanmf/init/initial_factors.hpp"

namespace scanmf::test {
namespace {

template <Scalar T>
std::unique_ptr<DataSource<T>> open(const Communicator& comm, const GoldenCase& golden, const std::string& dataset) {
  const std::string estimator = golden.text("estimator");
  const MatrixDescription description = describe_matrix(comm, golden.input(dataset), estimator);
  const bool in_batches = estimator == "MiniBatchNMF" && dataset == "X";
  return load_matrix<T>(comm, description,
                        {.batch_rows = in_batches ? std::min(golden.count("batch_size"), description.shape.rows) : 0,
                         .estimator = estimator});
}

template <Scalar T>
Factors<T> golden_start(const GoldenCase& golden, const DataSource<T>& x) {
  return {read_local_rows<T>(x.communicator(), golden_file, golden.path("W0"), x.partition()),
          transposed_from<T>(golden.array("H0"))};
}

template <Scalar T>
void expect_factors(const GoldenCase& golden, const DataSource<T>& x, const FittedModel<T>& fitted) {
  expect_array(golden, "W", all_rows(x.communicator(), fitted.factors.W, x.partition()), "tol_W");
  expect_array(golden, "H", transposed(fitted.factors.Ht), "tol_H");
  EXPECT_EQ(fitted.n_iter, golden.count("n_iter"));
  EXPECT_NEAR(fitted.reconstruction_err, golden.number("reconstruction_err"), golden.number("tol_err_abs"));
}

/// The start that the parameters name is scikit-learn's.
template <Scalar T>
void check_start(const GoldenCase& golden, DataSource<T>& x, const Parameters& parameters) {
  const Index k = parameters.n_components.value();
  const bool has_svd = k <= std::min(x.shape().rows, x.shape().columns);
  Factors<T> start;
  if (parameters.init == Init::random || (parameters.init == Init::none && !has_svd)) {
    start = random_factors(x, k, golden.seed(), false);
  } else {
    const NndsvdVariant variant = parameters.init == Init::nndsvd     ? NndsvdVariant::nndsvd
                                  : parameters.init == Init::nndsvdar ? NndsvdVariant::nndsvdar
                                                                      : NndsvdVariant::nndsvda;
    start = nndsvd_factors(x, k, golden.seed(), variant, false);
  }
  expect_array(golden, "W0", all_rows(x.communicator(), start.W, x.partition()), "tol_init", false);
  expect_array(golden, "H0", transposed(start.Ht), "tol_init", false);
}

template <Scalar T>
void check_new_rows(const Communicator& comm, const GoldenCase& golden, const FittedModel<T>& fitted) {
  const auto x_new = open<T>(comm, golden, "X_new");
  const Matrix<T> w_new = transform(*x_new, fitted.factors.Ht, fitted.parameters, golden.seed());
  expect_array(golden, "W_new", all_rows(comm, w_new, x_new->partition()), "tol_W_new");
  Matrix<T> x_inverse(w_new.rows(), x_new->shape().columns);
  inverse_transform<T>(w_new.view(), fitted.factors.Ht, x_inverse.view());
  expect_array(golden, "X_inv", all_rows(comm, x_inverse, x_new->partition()), "tol_X_inv", false);
}

template <Scalar T>
void check_nmf(const GoldenCase& golden) {
  const Communicator comm;
  const auto x = open<T>(comm, golden, "X");
  const Parameters parameters = golden.parameters();

  const FittedModel<T> fitted = fit_from(*x, parameters, golden.seed(), golden_start(golden, *x));
  expect_factors(golden, *x, fitted);
  const double divergence = beta_divergence(*x, fitted.factors.W, fitted.factors.Ht, parameters.beta_loss);
  EXPECT_NEAR(divergence, golden.number("objective_loss"), golden.number("tol_objective_abs"));
  check_new_rows(comm, golden, fitted);

  for (const std::string& iteration : golden.members("checkpoints")) {
    Parameters shorter = parameters;
    shorter.max_iter = std::stoll(iteration);
    const FittedModel<T> early = fit_from(*x, shorter, golden.seed(), golden_start(golden, *x));
    expect_array(golden, "checkpoints/" + iteration + "/W", all_rows(comm, early.factors.W, x->partition()),
                 "tol_trace", false);
    expect_array(golden, "checkpoints/" + iteration + "/H", transposed(early.factors.Ht), "tol_trace", false);
  }
  if (parameters.init != Init::custom) {
    check_start(golden, *x, parameters);
    expect_factors(golden, *x, fit(*x, parameters, golden.seed()));
  }
}

/// Cost, smoothed cost and relative change of H of each step; not those of the first step, which no rule uses.
void expect_cost_trace(const GoldenCase& golden, const History& history) {
  const GoldenArray expected = golden.array("cost_trace");
  const auto steps = static_cast<std::size_t>(expected.dimensions[0]);
  const std::array<std::string, 3> columns = {"cost", "smoothed_cost", "h_change"};
  for (std::size_t j = 0; j < columns.size(); ++j) {
    const auto column = std::find_if(history.columns.begin(), history.columns.end(),
                                     [&](const auto& c) { return c.first == columns[j]; });
    ASSERT_NE(column, history.columns.end()) << columns[j];
    ASSERT_EQ(column->second.size(), steps) << columns[j];
    GoldenArray is{{expected.dimensions[0] - 1}, {}};
    GoldenArray should{{expected.dimensions[0] - 1}, {}};
    for (std::size_t step = 1; step < steps; ++step) {
      is.values.push_back(column->second[step]);
      should.values.push_back(expected.values[3 * step + j]);
    }
    EXPECT_LE(gap(is, should), golden.number("tol_cost_trace")) << columns[j];
  }
}

template <Scalar T>
void check_minibatch_fit(const GoldenCase& golden) {
  const Communicator comm;
  const auto x = open<T>(comm, golden, "X");
  const FittedModel<T> fitted = fit_from(*x, golden.parameters(), golden.seed(), golden_start(golden, *x));
  expect_factors(golden, *x, fitted);
  EXPECT_EQ(fitted.n_steps, golden.count("n_steps"));
  if (golden.has("cost_trace")) expect_cost_trace(golden, fitted.history);
  check_new_rows(comm, golden, fitted);
}

/// Rows [rows.begin, rows.end) of a dense X, shared out over the ranks.
template <Scalar T>
std::unique_ptr<DataSource<T>> open_chunk(const Communicator& comm, const GoldenArray& x, Range rows) {
  const Index columns = x.dimensions[1];
  const auto offsets = slice_offsets(rows.size(), comm.size());
  const Range mine{rows.begin + offsets[static_cast<std::size_t>(comm.rank())],
                   rows.begin + offsets[static_cast<std::size_t>(comm.rank()) + 1]};
  Matrix<T> chunk(mine.size(), columns);
  std::transform(x.values.begin() + mine.begin * columns, x.values.begin() + mine.end * columns, chunk.data(),
                 [](double v) { return static_cast<T>(v); });
  return source_from_rows<T>(comm, chunk.view(), {.estimator = "MiniBatchNMF"});
}

/// MiniBatchNMF before its first step, or after a fit.
template <Scalar T>
FittedModel<T> start_of_partial_fits(const Communicator& comm, const GoldenCase& golden) {
  if (golden.text("mode") == "fit_then_partial_fit") {
    const auto x = open<T>(comm, golden, "X");
    FittedModel<T> fitted = fit_from(*x, golden.parameters(), golden.seed(), golden_start(golden, *x));
    expect_array(golden, "W_fit", all_rows(comm, fitted.factors.W, x->partition()), "tol_W_fit");
    expect_array(golden, "H_fit", transposed(fitted.factors.Ht), "tol_H_fit");
    return fitted;
  }
  FittedModel<T> model;
  model.parameters = golden.parameters();
  model.n_components = golden.count("n_components");
  model.factors.Ht = transposed_from<T>(golden.array("H0"));
  return model;
}

template <Scalar T>
void check_partial_fits(const GoldenCase& golden) {
  const Communicator comm;
  FittedModel<T> model = start_of_partial_fits<T>(comm, golden);
  const GoldenArray x = golden.array("X");
  const GoldenArray chunks = golden.array("partial_fit_rows");
  GoldenArray trace{{chunks.dimensions[0], model.n_components, x.dimensions[1]}, {}};
  for (std::size_t chunk = 0; chunk < chunks.values.size(); chunk += 2) {
    const Range rows{static_cast<Index>(chunks.values[chunk]), static_cast<Index>(chunks.values[chunk + 1])};
    partial_fit(*open_chunk<T>(comm, x, rows), model);
    const GoldenArray H = transposed(model.factors.Ht);
    trace.values.insert(trace.values.end(), H.values.begin(), H.values.end());
  }
  expect_array(golden, "H_trace", trace, "tol_H_trace", false);
  expect_array(golden, "H", transposed(model.factors.Ht), "tol_H");
  EXPECT_EQ(model.n_steps, golden.count("n_steps"));
  check_new_rows(comm, golden, model);
}

template <Scalar T>
void check(const GoldenCase& golden) {
  if (golden.text("estimator") == "NMF") {
    check_nmf<T>(golden);
  } else if (golden.text("mode") == "fit") {
    check_minibatch_fit<T>(golden);
  } else {
    check_partial_fits<T>(golden);
  }
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, EqualsScikitLearn) {
  const GoldenCase golden(GetParam());
  in_type_of(golden, [&]<Scalar T>() { check<T>(golden); });
}

INSTANTIATE_TEST_SUITE_P(Cases, Golden, testing::ValuesIn(golden_cases([](const GoldenCase&) { return true; })),
                         [](const auto& info) { return info.param; });

TEST(GoldenFile, HasAllCases) { EXPECT_EQ(hdf5::File::open(golden_file).members("/cases").size(), 116U); }

}  // namespace
}  // namespace scanmf::test
