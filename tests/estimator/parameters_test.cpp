#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "scanmf/core/error.hpp"
#include "scanmf/estimator/parameters.hpp"

namespace scanmf {
namespace {

/// The message that setting one parameter and validating lead to; empty when it is accepted.
std::string message(Estimator estimator, const std::string& name, const std::string& text) {
  Parameters parameters;
  parameters.estimator = estimator;
  parameters.solver = Solver::mu;
  try {
    parameters.set(name, text);
  } catch (const UsageError& error) {
    return error.what();
  }
  const std::vector<std::string> mistakes = parameters.validate();
  return mistakes.empty() ? "" : mistakes.front();
}
std::string nmf(const std::string& name, const std::string& text) { return message(Estimator::nmf, name, text); }
std::string minibatch(const std::string& name, const std::string& text) {
  return message(Estimator::minibatch_nmf, name, text);
}

// Expected texts: scikit-learn's.
TEST(Parameters, RefusesWhatScikitLearnRefuses) {
  const std::string k =
      "The 'n_components' parameter of NMF must be an int in the range [1, inf), None or a str among {'auto'}. Got ";
  EXPECT_EQ(nmf("n_components", "0"), k + "0 instead.");
  EXPECT_EQ(nmf("n_components", "-1"), k + "-1 instead.");
  EXPECT_EQ(nmf("n_components", "2.0"), k + "2.0 instead.");
  EXPECT_EQ(nmf("n_components", "99999999999999999999"), k + "99999999999999999999 instead.");
  EXPECT_EQ(nmf("n_components", ""), k + "'' instead.");
  EXPECT_EQ(nmf("init", "foo"),
            "The 'init' parameter of NMF must be a str among {'custom', 'nndsvd', 'nndsvda', 'nndsvdar', 'random'} or "
            "None. Got 'foo' instead.");
  EXPECT_EQ(nmf("tol", "-1e-09"),
            "The 'tol' parameter of NMF must be a float in the range [0, inf). Got -1e-09 instead.");
  EXPECT_EQ(nmf("tol", "x"), "The 'tol' parameter of NMF must be a float in the range [0, inf). Got 'x' instead.");
  EXPECT_EQ(nmf("tol", "nan"), "The 'tol' parameter of NMF must be a float in the range [0, inf). Got nan instead.");
  EXPECT_EQ(nmf("tol", "inf"), "The 'tol' parameter of NMF must be a float in the range [0, inf). Got inf instead.");
  EXPECT_EQ(nmf("tol", "1e999"), "The 'tol' parameter of NMF must be a float in the range [0, inf). Got inf instead.");
  EXPECT_EQ(nmf("max_iter", "2.5"),
            "The 'max_iter' parameter of NMF must be an int in the range [1, inf). Got 2.5 instead.");
  EXPECT_EQ(nmf("max_iter", "0"),
            "The 'max_iter' parameter of NMF must be an int in the range [1, inf). Got 0 instead.");
  EXPECT_EQ(nmf("alpha_W", "-0.1"),
            "The 'alpha_W' parameter of NMF must be a float in the range [0, inf). Got -0.1 instead.");
  EXPECT_EQ(nmf("alpha_H", "other"),
            "The 'alpha_H' parameter of NMF must be a float in the range [0, inf) or a str among {'same'}. Got 'other' "
            "instead.");
  EXPECT_EQ(nmf("l1_ratio", "1.1"),
            "The 'l1_ratio' parameter of NMF must be a float in the range [0, 1]. Got 1.1 instead.");
  EXPECT_EQ(nmf("l1_ratio", "nan"),
            "The 'l1_ratio' parameter of NMF must be a float in the range [0, 1]. Got nan instead.");
  const std::string loss =
      "The 'beta_loss' parameter of NMF must be a str among {'frobenius', 'itakura-saito', 'kullback-leibler'} or an "
      "instance of 'float'. Got ";
  EXPECT_EQ(nmf("beta_loss", "foo"), loss + "'foo' instead.");
  EXPECT_EQ(nmf("beta_loss", "none"), loss + "None instead.");
  EXPECT_EQ(nmf("beta_loss", "nan"), loss + "nan instead.");
  EXPECT_EQ(nmf("beta_loss", "-inf"), loss + "-inf instead.");
  for (const char* text : {"-1", "4294967296", "1.5"}) {
    EXPECT_EQ(
        nmf("random_state", text),
        std::string("The 'random_state' parameter of NMF must be an int in the range [0, 4294967295] or None. Got ") +
            text + " instead.");
  }
}

TEST(Parameters, RefusesWhatScikitLearnRefusesInOptionsOfSolvers) {
  EXPECT_EQ(nmf("solver", "none"), "The 'solver' parameter of NMF must be a str among {'cd', 'mu'}. Got None instead.");
  EXPECT_EQ(nmf("shuffle", "x"),
            "The 'shuffle' parameter of NMF must be an instance of 'bool' (true or false). Got 'x' instead.");
  EXPECT_EQ(
      nmf("verbose", "-1"),
      "The 'verbose' parameter of NMF must be an int in the range [0, inf) or an instance of 'bool'. Got -1 instead.");
  EXPECT_EQ(minibatch("batch_size", "2.5"),
            "The 'batch_size' parameter of MiniBatchNMF must be an int in the range [1, inf). Got 2.5 instead.");
  EXPECT_EQ(minibatch("forget_factor", "1.1"),
            "The 'forget_factor' parameter of MiniBatchNMF must be a float in the range [0, 1]. Got 1.1 instead.");
  EXPECT_EQ(minibatch("max_no_improvement", "0"),
            "The 'max_no_improvement' parameter of MiniBatchNMF must be an int in the range [1, inf) or None. Got 0 "
            "instead.");
  EXPECT_EQ(
      minibatch("fresh_restarts_max_iter", "0"),
      "The 'fresh_restarts_max_iter' parameter of MiniBatchNMF must be an int in the range [1, inf). Got 0 instead.");
  EXPECT_EQ(minibatch("transform_max_iter", "0"),
            "The 'transform_max_iter' parameter of MiniBatchNMF must be an int in the range [1, inf) or None. Got 0 "
            "instead.");
}

TEST(Parameters, AcceptsEndsOfRanges) {
  for (const char* text : {"1", "none", "auto", "2147483648"}) EXPECT_EQ(nmf("n_components", text), "") << text;
  for (const char* text : {"0", "0.0", "1e-4", "+1", "1e-999"}) EXPECT_EQ(nmf("tol", text), "") << text;
  for (const char* text : {"0", "1", "1.0"}) EXPECT_EQ(nmf("l1_ratio", text), "") << text;
  for (const char* text : {"0", "4294967295", "none"}) EXPECT_EQ(nmf("random_state", text), "") << text;
  for (const char* text : {"frobenius", "2", "-0.5", "3.7"}) EXPECT_EQ(nmf("beta_loss", text), "") << text;
  for (const char* text : {"0", "1"}) EXPECT_EQ(minibatch("forget_factor", text), "") << text;
  for (const char* text : {"true", "2", "0"}) EXPECT_EQ(nmf("verbose", text), "") << text;
  EXPECT_EQ(minibatch("max_no_improvement", "none"), "");
}

TEST(Parameters, CoordinateDescentKnowsFrobeniusOnly) {
  const std::string text = "Invalid beta_loss parameter: solver 'cd' does not handle beta_loss = ";
  for (const auto& [given, shown] :
       {std::pair("1", "1"), {"0", "0"}, {"1.5", "1.5"}, {"kullback-leibler", "'kullback-leibler'"}}) {
    Parameters parameters;
    parameters.set("beta_loss", given);
    EXPECT_EQ(parameters.validate(), std::vector<std::string>{text + shown});
    parameters.solver = Solver::mu;
    EXPECT_TRUE(parameters.validate().empty());
  }
  for (const char* given : {"2", "2.0", "frobenius"}) {
    Parameters parameters;
    parameters.set("beta_loss", given);
    EXPECT_TRUE(parameters.validate().empty());
  }
  Parameters direct;
  direct.beta_loss = 1;
  EXPECT_EQ(direct.validate(), std::vector<std::string>{text + "1"});
  direct.estimator = Estimator::minibatch_nmf;
  EXPECT_TRUE(direct.validate().empty());
}

TEST(Parameters, ReportsEveryMistake) {
  Parameters parameters;
  parameters.n_components = 0;
  parameters.tol = std::numeric_limits<double>::quiet_NaN();
  parameters.max_iter = -3;
  parameters.beta_loss = 1;
  parameters.batch_size = 0;  // not a parameter of NMF
  EXPECT_EQ(parameters.validate().size(), 4U);
  parameters.estimator = Estimator::minibatch_nmf;
  EXPECT_EQ(parameters.validate().size(), 4U);
}

TEST(Parameters, TextsComeBack) {
  for (const Estimator estimator : {Estimator::nmf, Estimator::minibatch_nmf}) {
    Parameters parameters;
    parameters.estimator = estimator;
    EXPECT_EQ(parameters.get("n_components"), "auto");
    EXPECT_EQ(parameters.get("init"), "none");
    EXPECT_EQ(parameters.get("beta_loss"), "frobenius");
    EXPECT_EQ(parameters.get("alpha_H"), "same");
    EXPECT_EQ(parameters.get("alpha_W"), "0.0");
    EXPECT_EQ(parameters.get("random_state"), "none");
    parameters.set("n_components", "none");
    parameters.set("alpha_H", "0.1");
    parameters.set("beta_loss", "1.25");
    parameters.set("tol", "1e-5");
    parameters.set("random_state", "4294967295");
    Parameters copy;
    copy.estimator = estimator;
    for (const std::string& name : parameters.names()) {
      copy.set(name, parameters.get(name));
      EXPECT_EQ(copy.get(name), parameters.get(name));
    }
    EXPECT_FALSE(copy.n_components_auto);
    EXPECT_EQ(copy.alpha_H, 0.1);
    EXPECT_EQ(copy.beta_loss, 1.25);
    EXPECT_EQ(copy.tol, 1e-5);
    EXPECT_EQ(copy.random_state, 4294967295U);
  }
}

TEST(Parameters, AccelerationIsOfCoordinateDescent) {
  EXPECT_EQ(minibatch("acceleration", "sweeps"), "'acceleration' is a parameter of NMF, not of MiniBatchNMF.");
  EXPECT_EQ(nmf("acceleration", "none"), "");
  for (const char* word : {"sweeps", "extrapolation"}) {
    EXPECT_EQ(nmf("acceleration", word),
              "Invalid acceleration parameter: solver 'mu' does not handle acceleration = '" + std::string(word) +
                  "'; use solver 'cd', or leave acceleration out");
    Parameters parameters;
    parameters.set("acceleration", word);
    EXPECT_TRUE(parameters.validate().empty());
    EXPECT_EQ(parameters.get("acceleration"), word);
  }
}

TEST(Parameters, NamesAreScikitLearns) {
  EXPECT_EQ(Parameters::names(Estimator::nmf),
            (std::vector<std::string>{"n_components", "init", "solver", "beta_loss", "tol", "max_iter", "random_state",
                                      "alpha_W", "alpha_H", "l1_ratio", "verbose", "shuffle", "svd", "random_generator",
                                      "acceleration", "missing", "missing_empty", "strata"}));
  EXPECT_EQ(Parameters::names(Estimator::minibatch_nmf), (std::vector<std::string>{"n_components",
                                                                                   "init",
                                                                                   "batch_size",
                                                                                   "beta_loss",
                                                                                   "tol",
                                                                                   "max_no_improvement",
                                                                                   "max_iter",
                                                                                   "alpha_W",
                                                                                   "alpha_H",
                                                                                   "l1_ratio",
                                                                                   "forget_factor",
                                                                                   "fresh_restarts",
                                                                                   "fresh_restarts_max_iter",
                                                                                   "transform_max_iter",
                                                                                   "random_state",
                                                                                   "verbose",
                                                                                   "svd",
                                                                                   "random_generator",
                                                                                   "missing",
                                                                                   "missing_empty",
                                                                                   "strata"}));
}

TEST(Parameters, NamesTheNearest) {
  EXPECT_EQ(nmf("alpha_h", "1"), "NMF has no parameter 'alpha_h'. Did you mean 'alpha_H'?");
  EXPECT_EQ(nmf("maxiter", "1"), "NMF has no parameter 'maxiter'. Did you mean 'max_iter'?");
  EXPECT_EQ(nmf("batch_size", "1"), "'batch_size' is a parameter of MiniBatchNMF, not of NMF.");
  EXPECT_EQ(minibatch("solver", "mu"), "'solver' is a parameter of NMF, not of MiniBatchNMF.");
}

TEST(Parameters, HaveTypedValues) {
  Parameters parameters;
  EXPECT_EQ(parameters.value("n_components"), ParameterValue("auto"));
  EXPECT_EQ(parameters.value("init"), ParameterValue());
  EXPECT_EQ(parameters.value("alpha_W"), ParameterValue(0.0));
  EXPECT_EQ(parameters.value("shuffle"), ParameterValue(false));
  parameters.set_value("alpha_H", Index{2});
  parameters.set_value("beta_loss", 1.0);
  parameters.set_value("n_components", Index{3});
  parameters.set_value("verbose", true);
  EXPECT_EQ(parameters.value("alpha_H"), ParameterValue(2.0));
  EXPECT_EQ(parameters.value("beta_loss"), ParameterValue(1.0));
  EXPECT_EQ(parameters.n_components, 3);
  EXPECT_EQ(parameters.verbose, 1);
  parameters.set_value("n_components", {});
  EXPECT_FALSE(parameters.n_components_auto);
  for (const auto& [name, value] : {std::pair<const char*, ParameterValue>{"max_iter", 2.5},
                                    {"tol", "x"},
                                    {"tol", true},
                                    {"shuffle", Index{1}},
                                    {"solver", {}}})
    EXPECT_THROW(parameters.set_value(name, value), UsageError) << name;
}

TEST(Parameters, AreDeclaredOnce) {
  std::set<std::string> options;
  for (const ParameterInfo& info : parameter_table()) {
    EXPECT_TRUE(options.insert(info.option).second) << info.option << " twice";
    EXPECT_FALSE(info.help.empty()) << info.name;
    for (const Estimator estimator : {Estimator::nmf, Estimator::minibatch_nmf}) {
      const std::vector<std::string> names = Parameters::names(estimator);
      EXPECT_EQ(std::count(names.begin(), names.end(), info.name), info.belongs_to(estimator) ? 1 : 0) << info.name;
    }
  }
  const auto table = parameter_table();
  const auto alpha_H =
      std::find_if(table.begin(), table.end(), [](const ParameterInfo& info) { return info.name == "alpha_H"; });
  EXPECT_EQ(alpha_H->option, "alpha-h");
  EXPECT_EQ(alpha_H->values, "NUMBER|same");
  EXPECT_EQ(alpha_H->fallback, ParameterValue("same"));
}

}  // namespace
}  // namespace scanmf
