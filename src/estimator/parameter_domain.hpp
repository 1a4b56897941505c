#pragma once

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "scanmf/estimator/parameters.hpp"

namespace scanmf {

/// The end of a range that has none.
inline constexpr double unlimited = std::numeric_limits<double>::infinity();

/// The values that a parameter may have: alternatives, in the order in which scikit-learn's messages name them.
class ParameterDomain {
 public:
  ParameterDomain& integers(Index least, Index most = std::numeric_limits<Index>::max());
  /// Finite numbers, both ends included.
  ParameterDomain& reals(double least, double most);
  /// Every finite number.
  ParameterDomain& reals();
  ParameterDomain& booleans();
  ParameterDomain& words(std::vector<std::string> words);
  ParameterDomain& none();

  /// The text as a value of one of the types; nullopt: it is none. Numbers may still lie outside of their range.
  std::optional<ParameterValue> parse(const std::string& text) const;
  /// The value as one of the types, an integer as a real number where only those are meant; nullopt: it is none of
  /// them.
  std::optional<ParameterValue> convert(const ParameterValue& value) const;
  /// Whether a value of one of the types lies in its range.
  bool contains(const ParameterValue& value) const;

  /// "an int in the range [1, inf) or None", as scikit-learn's messages.
  std::string accepted() const;
  /// "N|none", as the help of the command line.
  std::string values() const;

 private:
  struct Integers {
    Index least, most;
  };
  struct Reals {
    double least, most;
  };
  std::optional<Integers> integers_;
  std::optional<Reals> reals_;
  bool booleans_ = false;
  bool none_ = false;
  std::vector<std::string> words_;
  std::vector<std::string> phrases_;
};

/// "none" and Python's "None".
bool is_none(const std::string& text);

}  // namespace scanmf
