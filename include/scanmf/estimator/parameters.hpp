#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "scanmf/core/types.hpp"

namespace scanmf {

enum class Estimator { nmf, minibatch_nmf };
enum class Init { none, random, nndsvd, nndsvda, nndsvdar, custom };
enum class Solver { cd, mu };
enum class Acceleration { none, sweeps, extrapolation };
enum class SvdMethod { randomized, exact };
enum class RandomGenerator { automatic, numpy, counter };
enum class Missing { none, nan, zero };  // which entries of X are unobserved
enum class MissingEmpty { refuse, keep };

/// A parameter's value with its own type: Python's None, bool, int, float and str.
using ParameterValue = std::variant<std::monostate, bool, Index, double, std::string>;
/// "none", "true", "3", "0.5", "same": as Parameters::set takes it.
std::string text_of(const ParameterValue& value);

/// scikit-learn's constructor arguments with their names and defaults, and scanmf's own. A plain struct: nothing is
/// checked until validate().
struct Parameters {
  Estimator estimator = Estimator::nmf;
  /// Number of components; nullopt together with n_components_auto == false is None (k = number of features),
  /// with true it is 'auto' (rows of the custom H, else the number of features).
  std::optional<Index> n_components;
  bool n_components_auto = true;
  Init init = Init::none;
  Solver solver = Solver::cd;                // MiniBatchNMF is always multiplicative
  double beta_loss = 2;                      // 2 frobenius, 1 kullback-leibler, 0 itakura-saito, or any real number
  std::string beta_loss_name = "frobenius";  // if it was set by name: for get() and messages; beta_loss alone decides
  double tol = 1e-4;
  Index max_iter = 200;
  std::optional<std::uint32_t> random_state;  // nullopt: a seed is drawn (and logged) by the program
  double alpha_W = 0;
  std::optional<double> alpha_H;  // nullopt: 'same' as alpha_W
  double l1_ratio = 0;
  Index verbose = 0;
  bool shuffle = false;
  // MiniBatchNMF
  Index batch_size = 1024;
  std::optional<Index> max_no_improvement = 10;
  double forget_factor = 0.7;
  bool fresh_restarts = false;
  Index fresh_restarts_max_iter = 30;
  std::optional<Index> transform_max_iter;
  // scanmf
  SvdMethod svd = SvdMethod::randomized;
  RandomGenerator random_generator = RandomGenerator::automatic;
  Acceleration acceleration = Acceleration::none;  // of solver cd
  Missing missing = Missing::none;
  MissingEmpty missing_empty = MissingEmpty::refuse;
  std::optional<Index> strata;  // of a pass over X, in which its sums are formed; nullopt: by X

  double effective_alpha_H() const { return alpha_H.value_or(alpha_W); }
  Index effective_transform_max_iter() const { return transform_max_iter.value_or(max_iter); }

  /// Every mistake, one line each; empty when all is well. Includes the cross checks that need no data (cd with
  /// beta_loss other than 2).
  std::vector<std::string> validate() const;

  /// Sets one parameter by its scikit-learn name from text ("alpha_H", "same"). Throws UsageError for an unknown name
  /// (names the nearest) and for text that is no such value, with scikit-learn's wording: "The 'tol' parameter of NMF
  /// must be a float in the range [0, inf). Got 'x' instead."
  void set(const std::string& name, const std::string& text);
  /// The value as text, such that set(name, get(name)) changes nothing.
  std::string get(const std::string& name) const;
  /// The same with the values' own types; an int where a float is meant becomes one.
  void set_value(const std::string& name, const ParameterValue& value);
  ParameterValue value(const std::string& name) const;
  /// Names in scikit-learn's order, those of this estimator only, scanmf's own last.
  std::vector<std::string> names() const;
  static std::vector<std::string> names(Estimator estimator);
};

/// What is known of a parameter, declared once, in parameters.cpp; the command line's options, their help, model
/// attributes, messages and signatures follow from it.
struct ParameterInfo {
  std::string name;               // scikit-learn's
  char letter = 0;                // of the command line's short option, 0: none
  std::optional<Estimator> only;  // the estimator that has it; nullopt: both
  std::string help;
  // What follows.
  std::string option = {};  // of the command line: "alpha-h" for alpha_H
  std::string values = {};  // that it takes: "NUMBER|same", "N|none", "cd|mu"
  std::string bare = {};    // what the option means without a value; empty: it needs one
  // The values in the words of scikit-learn's messages: "a float in the range [0, inf) or a str among {'same'}".
  std::string accepted = {};
  ParameterValue fallback = {};  // default

  bool belongs_to(Estimator estimator) const { return !only || *only == estimator; }
};
/// All parameters, in the order of scikit-learn's NMF, scanmf's own last.
std::span<const ParameterInfo> parameter_table();

/// "NMF" or "MiniBatchNMF", as scikit-learn's messages call it; "nmf" or "minibatch-nmf", as the command line does.
const char* class_name(Estimator estimator);
const char* option_name(Estimator estimator);
const char* name_of(Init init);
const char* name_of(Solver solver);

}  // namespace scanmf
