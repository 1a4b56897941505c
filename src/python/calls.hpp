#pragma once

#include <pybind11/pybind11.h>

#include <optional>
#include <stdexcept>
#include <string>

#include "app/time_limit.hpp"
#include "python/input.hpp"
#include "python/model_state.hpp"
#include "python/session.hpp"

namespace scanmf::python {

/// What fit, partial_fit and transform are given beside X.
struct Task {
  Parameters parameters;
  Origin origin;
  pybind11::object W;  // initial factors, or None
  pybind11::object H;
  pybind11::object progress;                                // called after each iteration, or None
  Index memory = automatic;                                 // bytes of X from a file that a rank may hold
  std::optional<Index> rows_of_H{};                         // where H is given or known
  app::CheckpointTexts checkpoint{};                        // of fit
  std::optional<std::vector<std::string>> feature_names{};  // of the model that takes X; none: there is no model yet
  // one for each row that this rank gives, "FILE:/path" or "obs/NAME" of a file, or None
  pybind11::object sample_weight = pybind11::none();
  static constexpr Index automatic = 0;
  static constexpr Index unlimited = -1;
};

/// A fit that has stopped early, its state being in the checkpoint: the time limit is near, or the file STOP is there.
class StoppedRun : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Collective, all of them. They throw KeyboardInterrupt, or what `progress` threw, when the run was stopped by that.

/// A fit, with a checkpoint if the task says so: the model's state (to_dictionary) with W, the rows of X that this rank
/// has given (of a file: an equal share of them, rows [first_row, …)).
pybind11::dict fit(Session& session, const Input& x, const Task& task);

/// One mini-batch step; state: of the model that goes on, or None.
pybind11::dict partial_fit(Session& session, const Input& x, const Task& task, const pybind11::object& state);

/// W of new rows with H fixed, and the updates that it took.
pybind11::tuple transform(Session& session, const Input& x, const Task& task, const pybind11::array& H);

/// Writes a model file. seed: a number, or None for a generator's, of which the file says only that. W: this rank's
/// rows, or None.
void save(Session& session, const std::string& file, const Parameters& parameters, const pybind11::object& seed,
          const pybind11::dict& state, const pybind11::object& W, const std::vector<std::string>& feature_names);

/// A model file as state, with "estimator", "params" (name, value) and "feature_names".
pybind11::dict load(Session& session, const std::string& file);

/// W of a model file: an equal share of its rows.
pybind11::array load_W(Session& session, const std::string& file);

}  // namespace scanmf::python
