// The estimators as scikit-learn's, on rows in the memory of the ranks and on sources, against runs of scikit-learn.
#include "scanmf/estimator/decomposition.hpp"

#include <gtest/gtest.h>

#include "estimator/golden_case.hpp"
#include "support/messages.hpp"

namespace scanmf::test {
namespace {

/// The rows of X that a rank gives: none on rank 1, the others as many as they are tall.
Range given_range(const Communicator& comm, Index rows) {
  const auto weight = [&](Index rank) { return rank == 1 ? 0 : rank + 1; };
  Index before = 0;
  Index all = 0;
  for (int rank = 0; rank < comm.size(); ++rank) {
    if (rank < comm.rank()) before += weight(rank);
    all += weight(rank);
  }
  return {rows * before / all, rows * (before + weight(comm.rank())) / all};
}

template <Scalar T>
Matrix<T> rows_of(const GoldenArray& x, Range rows) {
  Matrix<T> part(rows.size(), x.dimensions[1]);
  for (Index i = 0; i < rows.size() * part.columns(); ++i)
    part.data()[i] = static_cast<T>(x.values[static_cast<std::size_t>(rows.begin * part.columns() + i)]);
  return part;
}

/// Rows [rows.begin, rows.end) of x, shared out unevenly.
template <Scalar T>
Matrix<T> given_rows(const Communicator& comm, const GoldenArray& x, Range rows) {
  const Range mine = given_range(comm, rows.size());
  return rows_of<T>(x, {rows.begin + mine.begin, rows.begin + mine.end});
}

template <Scalar T>
Matrix<T> given_rows(const Communicator& comm, const GoldenArray& x) {
  return given_rows<T>(comm, x, {0, x.dimensions[0]});
}

/// Collective. All rows, from the parts of the ranks one after the other.
template <Scalar T>
GoldenArray joined(const Communicator& comm, const Matrix<T>& part) {
  GoldenArray all{{0, comm.max(part.columns())}, {}};
  const std::vector<Index> counts = comm.allgather(part.rows());
  Index begin = 0;
  for (int rank = 0; rank < comm.size(); ++rank) {
    if (rank < comm.rank()) begin += counts[static_cast<std::size_t>(rank)];
    all.dimensions[0] += counts[static_cast<std::size_t>(rank)];
  }
  all.values.resize(static_cast<std::size_t>(all.dimensions[0] * all.dimensions[1]), 0.0);
  std::copy_n(part.data(), part.rows() * part.columns(), all.values.begin() + begin * all.dimensions[1]);
  comm.allreduce_sum(std::span(all.values));
  return all;
}

template <Scalar T>
FitOptions<T> golden_start(const Communicator& comm, const GoldenCase& golden, Range rows) {
  FitOptions<T> options;
  options.start = {given_rows<T>(comm, golden.array("W0"), rows), transposed_from<T>(golden.array("H0"))};
  return options;
}

Parameters with_custom_init(const GoldenCase& golden) {
  Parameters parameters = golden.parameters();
  parameters.init = Init::custom;
  return parameters;
}

template <Scalar T>
void check_new_rows(const Communicator& comm, const GoldenCase& golden, const BaseNMF<T>& estimator) {
  const Matrix<T> w_new = estimator.transform(given_rows<T>(comm, golden.array("X_new")).view());
  expect_array(golden, "W_new", joined(comm, w_new), "tol_W_new");
  expect_array(golden, "X_inv", joined(comm, estimator.inverse_transform(w_new.view())), "tol_X_inv", false);
}

template <Scalar T>
void check_fit(const Communicator& comm, const GoldenCase& golden, BaseNMF<T>& estimator, FitOptions<T> options) {
  const GoldenArray x = golden.array("X");
  const Matrix<T> W = estimator.fit_transform(given_rows<T>(comm, x).view(), std::move(options));
  EXPECT_EQ(W.rows(), given_range(comm, x.dimensions[0]).size());
  expect_array(golden, "W", joined(comm, W), "tol_W");
  const Matrix<T> H = estimator.components();
  expect_array(golden, "H", {{H.rows(), H.columns()}, {H.span().begin(), H.span().end()}}, "tol_H");
  EXPECT_EQ(estimator.n_components(), H.rows());
  EXPECT_EQ(estimator.n_features_in(), x.dimensions[1]);
  EXPECT_EQ(estimator.n_iter(), golden.count("n_iter"));
  EXPECT_NEAR(estimator.reconstruction_err(), golden.number("reconstruction_err"), golden.number("tol_err_abs"));
  check_new_rows(comm, golden, estimator);
}

template <Scalar T>
void check_partial_fits(const Communicator& comm, const GoldenCase& golden) {
  const GoldenArray x = golden.array("X");
  const GoldenArray chunks = golden.array("partial_fit_rows");
  MiniBatchNMF<T> estimator(comm, with_custom_init(golden));
  if (golden.text("mode") == "fit_then_partial_fit")
    estimator.fit(given_rows<T>(comm, x).view(), golden_start<T>(comm, golden, {0, x.dimensions[0]}));
  for (std::size_t chunk = 0; chunk < chunks.values.size(); chunk += 2) {
    const Range rows{static_cast<Index>(chunks.values[chunk]), static_cast<Index>(chunks.values[chunk + 1])};
    FitOptions<T> options;
    if (!estimator.is_fitted()) options = golden_start<T>(comm, golden, rows);
    estimator.partial_fit(given_rows<T>(comm, x, rows).view(), std::move(options));
  }
  expect_array(golden, "H", transposed(estimator.fitted().factors.Ht), "tol_H");
  EXPECT_EQ(estimator.n_steps(), golden.count("n_steps"));
  EXPECT_TRUE(std::isnan(estimator.reconstruction_err()));
  check_new_rows(comm, golden, estimator);
}

template <class Estimator, Scalar T>
void check_estimator(const Communicator& comm, const GoldenCase& golden) {
  Estimator from_start(comm, with_custom_init(golden));
  check_fit<T>(comm, golden, from_start, golden_start<T>(comm, golden, {0, golden.array("X").dimensions[0]}));
  if (golden.text("init") == "custom") return;
  Estimator from_parameters(comm, golden.parameters());
  check_fit<T>(comm, golden, from_parameters, {});
}

template <Scalar T>
void check(const GoldenCase& golden) {
  const Communicator comm;
  if (golden.text("estimator") == "NMF") {
    check_estimator<NMF<T>, T>(comm, golden);
  } else if (golden.text("mode") == "fit") {
    check_estimator<MiniBatchNMF<T>, T>(comm, golden);
  } else {
    check_partial_fits<T>(comm, golden);
  }
}

bool is_dense(const GoldenCase& golden) { return !golden.has("X/indptr"); }

class Rows : public testing::TestWithParam<std::string> {};

TEST_P(Rows, GiveWhatScikitLearnGives) {
  const GoldenCase golden(GetParam());
  in_type_of(golden, [&]<Scalar T>() { check<T>(golden); });
}

INSTANTIATE_TEST_SUITE_P(Cases, Rows, testing::ValuesIn(golden_cases(is_dense)),
                         [](const auto& info) { return info.param; });

/// Fits to the matrix of a golden case's file; returns the error.
template <class Estimator>
double fit_source(const std::string& name) {
  const Communicator comm;
  const GoldenCase golden(name);
  Estimator estimator(comm, with_custom_init(golden));
  const auto x = estimator.open(golden.input("X"));
  FitOptions<double> options;
  options.start = {read_local_rows<double>(comm, golden_file, golden.path("W0"), x->partition()),
                   transposed_from<double>(golden.array("H0"))};
  expect_array(golden, "W", all_rows(comm, estimator.fit_transform(*x, std::move(options)), x->partition()), "tol_W");
  const auto x_new = load_matrix<double>(comm, describe_matrix(comm, golden.input("X_new"), "NMF"));
  expect_array(golden, "W_new", all_rows(comm, estimator.transform(*x_new), x_new->partition()), "tol_W_new");
  EXPECT_NEAR(estimator.reconstruction_err(), golden.number("reconstruction_err"), golden.number("tol_err_abs"));
  return estimator.reconstruction_err();
}

TEST(Sources, DenseAndSparse) {
  EXPECT_GT(fit_source<NMF<double>>("cd_dense_none"), 0);
  EXPECT_GT(fit_source<MiniBatchNMF<double>>("mb_b1_uneven"), 0);
  EXPECT_GT(fit_source<MiniBatchNMF<double>>("mb_sparse_b1"), 0);
}

TEST(Estimator, NamesAndProgress) {
  const Communicator comm;
  const GoldenCase golden("cd_dense_none");
  MiniBatchNMF<double> estimator(comm);
  estimator.set_params({{"n_components", "2"}, {"max_iter", "3"}, {"random_state", "0"}, {"batch_size", "10"}});
  FitOptions<double> options;
  for (int j = 0; j < 20; ++j) options.feature_names.push_back("pixel " + std::to_string(j));
  Index calls = 0;
  options.control.on_progress = [&](const Progress&) { ++calls; };
  const std::vector<std::string> names = options.feature_names;
  estimator.fit(given_rows<double>(comm, golden.array("X")).view(), std::move(options));
  EXPECT_EQ(estimator.feature_names_in(), names);
  EXPECT_EQ(estimator.get_feature_names_out(), (std::vector<std::string>{"minibatchnmf0", "minibatchnmf1"}));
  EXPECT_EQ(estimator.n_iter(), 3);
  EXPECT_EQ(estimator.n_steps(), 9);
  EXPECT_EQ(calls, 9);
  EXPECT_FALSE(estimator.converged());
}

TEST(Estimator, ParametersByName) {
  const Communicator comm;
  NMF<float> estimator(comm);
  EXPECT_EQ(estimator.get_params().size(), Parameters::names(scanmf::Estimator::nmf).size());
  EXPECT_EQ(estimator.get_params()[0], (std::pair<std::string, std::string>("n_components", "auto")));
  EXPECT_EQ(message_of([&] {
              estimator.set_params({{"tol", "1e-6"}, {"tool", "2"}});
            }),
            "NMF has no parameter 'tool'. Did you mean 'tol'?");
  EXPECT_EQ(estimator.parameters().tol, 1e-4);  // all or none
  EXPECT_EQ(message_of([&] {
              estimator.set_params({{"batch_size", "2"}});
            }),
            "'batch_size' is a parameter of MiniBatchNMF, not of NMF.");
  estimator.set_params({{"tol", "-1"}, {"beta_loss", "kullback-leibler"}});
  const Matrix<float> x(comm.rank() == 0 ? 2 : 0, 2, 1.0F);
  EXPECT_EQ(message_of([&] { estimator.fit(x.view()); }),
            "The 'tol' parameter of NMF must be a float in the range [0, inf). Got -1 instead.\n"
            "Invalid beta_loss parameter: solver 'cd' does not handle beta_loss = 'kullback-leibler'");
}

TEST(Estimator, BeforeFit) {
  const Communicator comm;
  const NMF<double> nmf(comm);
  const MiniBatchNMF<double> mini_batch(comm);
  const Matrix<double> x(1, 2, 1.0);
  const std::string rest =
      " instance is not fitted yet. Call 'fit' with appropriate arguments before using this estimator.";
  EXPECT_EQ(message_of([&] { nmf.transform(x.view()); }), "This NMF" + rest);
  EXPECT_EQ(message_of([&] { nmf.inverse_transform(x.view()); }), "This NMF" + rest);
  EXPECT_EQ(message_of([&] { nmf.components(); }), "This NMF" + rest);
  EXPECT_EQ(message_of([&] { nmf.get_feature_names_out(); }), "This NMF" + rest);
  EXPECT_EQ(message_of([&] { mini_batch.n_steps(); }), "This MiniBatchNMF" + rest);
}

/// The message of a fit to rows of 3 columns, `value` in the last one of all.
std::string message_of_fit(NMF<double>& nmf, const Communicator& comm, double value, FitOptions<double> options = {}) {
  Matrix<double> x(2, 3, 1.0);
  if (comm.rank() == comm.size() - 1) x(1, 2) = value;
  return message_of([&] { nmf.fit(x.view(), std::move(options)); });
}

TEST(Estimator, WrongData) {
  const Communicator comm;
  NMF<double> nmf(comm);
  nmf.set_params({{"n_components", "2"}, {"init", "random"}, {"random_state", "0"}});
  EXPECT_EQ(message_of_fit(nmf, comm, 1), "no error");
  const Index n_iter = nmf.n_iter();
  EXPECT_TRUE(message_of_fit(nmf, comm, -1).starts_with("Negative values in data passed to NMF (input X)"));
  EXPECT_TRUE(message_of_fit(nmf, comm, NAN).starts_with("Input X contains NaN."));
  EXPECT_EQ(nmf.n_iter(), n_iter);  // a fit that fails leaves the one before
  EXPECT_EQ(message_of([&] { nmf.transform(Matrix<double>(1, 2, 1.0).view()); }),
            "X has 2 features, but NMF is expecting 3 features as input.");
  EXPECT_EQ(message_of([&] { nmf.inverse_transform(Matrix<double>(1, 3, 1.0).view()); }),
            "W has 3 columns, but NMF has 2 components");
  EXPECT_TRUE(message_of([&] { nmf.fit(Matrix<double>(0, 3).view()); }).starts_with("Found array with 0 sample(s)"));
  MiniBatchNMF<double> mini_batch(comm);
  mini_batch.set_params({{"batch_size", "10"}});
  const GoldenCase golden("cd_dense_none");
  const auto whole = nmf.open(golden.input("X"));
  const auto batches = mini_batch.open(golden.input("X"));
  EXPECT_TRUE(message_of([&] {
                nmf.fit(*batches);
              }).starts_with("X was opened in batches of 10 rows, but NMF goes through it in batches of 30"));
  EXPECT_TRUE(message_of([&] { mini_batch.fit(*whole); }).starts_with("X was opened in batches of 30 rows"));
  EXPECT_TRUE(message_of([&] { mini_batch.partial_fit(*batches); }).starts_with("partial_fit takes X in one batch"));
}

TEST(Estimator, WrongStart) {
  const Communicator comm;
  NMF<double> nmf(comm);
  nmf.set_params({{"n_components", "2"}, {"init", "custom"}});
  EXPECT_TRUE(message_of_fit(nmf, comm, 1).starts_with("init 'custom' needs initial factors"));
  const auto start = [](Index rows, double W, double H) {
    FitOptions<double> options;
    options.start = {Matrix<double>(rows, 2, W), Matrix<double>(3, 2, H)};
    return options;
  };
  EXPECT_EQ(message_of_fit(nmf, comm, 1, start(2, 1, 1)), "no error");
  EXPECT_TRUE(
      message_of_fit(nmf, comm, 1, start(2, 1, 0)).starts_with("Array passed to NMF (input H) is full of zeros."));
  EXPECT_TRUE(
      message_of_fit(nmf, comm, 1, start(2, -1, 1)).starts_with("Negative values in data passed to NMF (input W)"));
  EXPECT_TRUE(message_of_fit(nmf, comm, 1, start(3, 1, 1)).ends_with("rows of X"));
  nmf.set_params({{"n_components", "3"}});
  EXPECT_TRUE(message_of_fit(nmf, comm, 1, start(2, 1, 1))
                  .starts_with("Array with wrong shape passed to NMF (input H). Expected (3, 3)"));
}

}  // namespace
}  // namespace scanmf::test
