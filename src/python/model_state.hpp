#pragma once

#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include <map>

#include "python/input.hpp"
#include "scanmf/estimator/estimator.hpp"
#include "scanmf/estimator/saved_model.hpp"

namespace scanmf::python {

using Values = std::map<std::string, ParameterValue>;

/// Parameters by scikit-learn's names, with Python's own types, checked.
Parameters parameters_of(const std::string& estimator, const Values& values);

/// Names and values of an estimator's parameters.
Values values_of(const Parameters& parameters);

/// random_state of a call.
struct Origin {
  Seed seed = 0U;
  std::shared_ptr<LegacyRandom> generator;  // of the seed, when it is one
  bool is_any = false;                      // the generator is numpy's global one: no choice of the caller
};

/// A number, or the state of numpy's RandomState: (key, position, has a spare normal, the spare normal, is it numpy's
/// global one).
Origin origin_of(const pybind11::object& seed);
/// The state that the generator is in now; None when there is none.
pybind11::object state_of(const Origin& origin);

/// Collective. What a fitted model has, as a dictionary of numbers and numpy arrays; all of it replicated: H, the
/// accumulators (k × n), history, ….
template <Scalar T>
pybind11::dict to_dictionary(const Communicator& comm, const FittedModel<T>& model);

/// The reverse. The accumulators are this rank's slice again.
template <Scalar T>
FittedModel<T> from_dictionary(const Communicator& comm, const Parameters& parameters, const pybind11::dict& state);

}  // namespace scanmf::python
