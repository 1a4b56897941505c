#include <fmt/format.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "app/inspect_description.hpp"
#include "parallel/launcher.hpp"
#include "python/calls.hpp"
#include "python/ensemble_call.hpp"
#include "scanmf/estimator/memory_plan.hpp"

namespace py = pybind11;

namespace scanmf::python {
namespace {

Task task_of(const std::string& estimator, const Values& params, const py::object& seed, const py::object& W,
             const py::object& H, const py::object& progress, Index memory) {
  const std::optional<Index> rows_of_H =
      H.is_none() ? std::nullopt : std::optional<Index>(static_cast<Index>(py::len(H)));
  Task task{parameters_of(estimator, params), origin_of(seed), W, H, progress, memory, rows_of_H};
  if (!task.origin.generator) task.parameters.random_state = task.origin.seed.number();
  return task;
}

/// (file, every, resume, max_time) as texts, or None.
app::CheckpointTexts checkpoint_of(const py::object& checkpoint) {
  if (checkpoint.is_none()) return {};
  const auto [file, every, resume, max_time] =
      checkpoint.cast<std::tuple<std::string, std::string, std::string, std::string>>();
  const auto refuse = [](const char* name, const char* form, const std::string& found) {
    throw UsageError(fmt::format("{} must be {}. Got '{}' instead.", name, form, found));
  };
  if (!app::is_checkpoint_interval(every)) refuse("checkpoint_every", app::checkpoint_interval_form, every);
  if (!app::is_time_limit(max_time)) refuse("max_time", app::time_limit_form, max_time);
  return {file, every, resume, max_time};
}

void bind_calls(py::class_<Session>& session) {
  session.def(
      "fit",
      [](Session& self, const py::object& x, const std::string& estimator, const Values& params, const py::object& seed,
         const py::object& W, const py::object& H, const py::object& progress, Index memory,
         const py::object& checkpoint, const py::object& sample_weight) {
        Task task = task_of(estimator, params, seed, W, H, progress, memory);
        task.sample_weight = sample_weight;
        task.checkpoint = checkpoint_of(checkpoint);
        return fit(self, Input(x), task);
      },
      py::arg("x"), py::arg("estimator"), py::arg("params"), py::arg("seed"), py::arg("W") = py::none(),
      py::arg("H") = py::none(), py::arg("progress") = py::none(), py::arg("memory") = Task::automatic,
      py::arg("checkpoint") = py::none(), py::arg("sample_weight") = py::none());
  session.def(
      "partial_fit",
      [](Session& self, const py::object& x, const Values& params, const py::object& seed, const py::object& W,
         const py::object& H, const py::object& state, const std::vector<std::string>& feature_names,
         const py::object& progress, Index memory, const py::object& sample_weight) {
        Task task = task_of("minibatch-nmf", params, seed, W, state.is_none() ? H : py::object(state["components"]),
                            progress, memory);
        task.sample_weight = sample_weight;
        task.feature_names = feature_names;
        return partial_fit(self, Input(x), task, state);
      },
      py::arg("x"), py::arg("params"), py::arg("seed"), py::arg("W") = py::none(), py::arg("H") = py::none(),
      py::arg("state") = py::none(), py::arg("feature_names") = std::vector<std::string>(),
      py::arg("progress") = py::none(), py::arg("memory") = Task::automatic, py::arg("sample_weight") = py::none());
  session.def(
      "transform",
      [](Session& self, const py::object& x, const std::string& estimator, const Values& params, const py::object& seed,
         const py::array& H, const std::optional<std::vector<std::string>>& feature_names, const py::object& progress,
         Index memory, const py::object& sample_weight) {
        Task task = task_of(estimator, params, seed, py::none(), H, progress, memory);
        task.sample_weight = sample_weight;
        task.feature_names = feature_names;
        return transform(self, Input(x), task, H);
      },
      py::arg("x"), py::arg("estimator"), py::arg("params"), py::arg("seed"), py::arg("H"),
      py::arg("feature_names") = py::none(), py::arg("progress") = py::none(), py::arg("memory") = Task::automatic,
      py::arg("sample_weight") = py::none());
}

/// Options as Python says them: "replicates", "neighbourhood", "density_threshold", "select", "folds", …; its own
/// checks have been through them.
EnsembleOptions ensemble_options(const std::vector<Index>& ks, const py::dict& said) {
  EnsembleOptions options;
  options.ks = ks;
  options.replicates = said["replicates"].cast<Index>();
  options.neighbourhood = said["neighbourhood"].cast<double>();
  options.density_threshold = said["density_threshold"].cast<double>();
  options.select = parse_selection(said["select"].cast<std::string>()).value();
  options.resample = parse_resampling(said["resample"].cast<std::string>()).value();
  options.resample_width = said["resample_width"].cast<double>();
  options.match = parse_matching(said["match"].cast<std::string>());  // "auto": none
  options.connectivity_rows = said["connectivity"].cast<bool>() ? said["connectivity_rows"].cast<Index>() : 0;
  options.folds = said["folds"].cast<Index>();
  options.holdout = said["holdout"].cast<double>();
  options.select_repeats = said["select_repeats"].cast<Index>();
  options.save_replicates = said["save_replicates"].cast<bool>();
  return options;
}

void bind_ensemble(py::class_<Session>& session) {
  session.def(
      "ensemble",
      [](Session& self, const py::object& x, const std::vector<Index>& ks, const std::string& estimator,
         const Values& params, const std::optional<std::uint32_t>& random_state, const py::dict& options,
         const std::string& output, const std::vector<std::string>& feature_names, const std::optional<Index>& groups,
         const py::object& progress, Index memory, const py::object& checkpoint, const py::object& sample_weight) {
        Task task{parameters_of(estimator, params), {}, py::none(), py::none(), progress, memory};
        task.sample_weight = sample_weight;
        task.parameters.random_state = random_state;
        task.checkpoint = checkpoint_of(checkpoint);
        ensemble(self, Input(x), task, {ensemble_options(ks, options), output, feature_names, groups});
      },
      py::arg("x"), py::arg("ks"), py::arg("estimator"), py::arg("params"), py::arg("random_state"), py::arg("options"),
      py::arg("output"), py::arg("feature_names"), py::arg("groups"), py::arg("progress") = py::none(),
      py::arg("memory") = Task::automatic, py::arg("checkpoint") = py::none(), py::arg("sample_weight") = py::none());
  session.def("check_ensemble", &check_ensemble, py::arg("file"));
  session.def("select", &select, py::arg("file"), py::arg("k"), py::arg("output"));
}

}  // namespace

PYBIND11_MODULE(_core, module) {
  module.doc() = "The library scanmf, for the classes of the package; see the stub _core.pyi";
  module.attr("__version__") = SCANMF_VERSION;
  py::register_exception<Error>(module, "Error", PyExc_ValueError);
  module.def(
      "defaults", [](const std::string& estimator) { return values_of(parameters_of(estimator, {})); },
      py::arg("estimator"));
  module.def("mpi_is_initialised", &mpi_is_initialised);
  module.def("is_launched", &is_launched);
  module.def("strangers", [] { return strangers(); });
  module.def("size", &parse_size, py::arg("text"));
  py::register_exception<StoppedRun>(module, "Stopped", PyExc_RuntimeError);
  py::class_<Session> session(module, "Session");
  session.def(py::init<const py::object&, int>(), py::arg("comm") = py::none(), py::arg("threads") = 0);
  session.def_property_readonly("rank", [](const Session& self) { return self.comm().rank(); });
  session.def_property_readonly("size", [](const Session& self) { return self.comm().size(); });
  session.def_property_readonly("threads", &Session::threads);
  session.def("agree", &Session::agree, py::arg("mistake"));
  session.def(
      "allgather", [](const Session& self, const py::bytes& own) { return self.allgather(own); }, py::arg("own"));
  session.def("close", &Session::close);
  bind_calls(session);
  bind_ensemble(session);
  session.def(
      "save",
      [](Session& self, const std::string& file, const std::string& estimator, const Values& params,
         const py::object& seed, const py::dict& state, const py::object& W,
         const std::vector<std::string>& feature_names) {
        save(self, file, parameters_of(estimator, params), seed, state, W, feature_names);
      },
      py::arg("file"), py::arg("estimator"), py::arg("params"), py::arg("seed"), py::arg("state"), py::arg("W"),
      py::arg("feature_names"));
  session.def("load", &load, py::arg("file"));
  session.def("load_W", &load_W, py::arg("file"));
  session.def(
      "inspect",
      [](Session& self, const std::string& input) {
        const py::gil_scoped_release release;
        return app::describe_file(self.comm(), input).dump();
      },
      py::arg("input"));
}

}  // namespace scanmf::python
