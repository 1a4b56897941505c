#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "scanmf/linalg/matrix.hpp"

namespace scanmf {

/// Named numbers, the same on every rank.
using StateNumbers = std::vector<std::pair<std::string, std::variant<double, Index>>>;

/// Sets a number, or makes it.
void set_number(StateNumbers& numbers, const std::string& name, std::variant<double, Index> value);
/// A number by its name, or `otherwise` where there is none.
template <class Value>
Value number_or(const StateNumbers& numbers, const std::string& name, Value otherwise) {
  for (const auto& [known, value] : numbers)
    if (const Value* found = known == name ? std::get_if<Value>(&value) : nullptr) return *found;
  return otherwise;
}

/// What the rows of an array stand for: features, of which each rank has its slice, or samples, of which it has those
/// of its rows of X.
enum class StateRows { features, samples };

/// An array of k columns.
template <Scalar T>
struct StateArray {
  std::string name;
  Matrix<T> slice;
  StateRows rows = StateRows::features;
};

/// What a solver needs beside W, H and the counters to go on where it stopped. It describes itself: whoever saves and
/// reads it does not know the solver.
template <Scalar T>
struct SolverState {
  StateNumbers numbers;
  std::vector<StateArray<T>> arrays;
};

}  // namespace scanmf
