#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "app/inspect_description.hpp"
#include "python/calls.hpp"
#include "scanmf/linalg/operations.hpp"

namespace py = pybind11;

namespace scanmf::python {
namespace {

Task task_of(const std::string& estimator, const Values& params, const py::object& seed, const py::object& W,
             const py::object& H, const py::object& progress, Index memory) {
  const std::optional<Index> rows_of_H =
      H.is_none() ? std::nullopt : std::optional<Index>(static_cast<Index>(py::len(H)));
  return {parameters_of(estimator, params), origin_of(seed), W, H, progress, memory, rows_of_H};
}

void bind_calls(py::class_<Session>& session) {
  session.def(
      "fit",
      [](Session& self, const py::object& x, const std::string& estimator, const Values& params, const py::object& seed,
         const py::object& W, const py::object& H, const py::object& progress,
         Index memory) { return fit(self, Input(x), task_of(estimator, params, seed, W, H, progress, memory)); },
      py::arg("x"), py::arg("estimator"), py::arg("params"), py::arg("seed"), py::arg("W") = py::none(),
      py::arg("H") = py::none(), py::arg("progress") = py::none(), py::arg("memory") = Task::automatic);
  session.def(
      "partial_fit",
      [](Session& self, const py::object& x, const Values& params, const py::object& seed, const py::object& W,
         const py::object& H, const py::object& state, const py::object& progress, Index memory) {
        return partial_fit(self, Input(x),
                           task_of("minibatch-nmf", params, seed, W,
                                   state.is_none() ? H : py::object(state["components"]), progress, memory),
                           state);
      },
      py::arg("x"), py::arg("params"), py::arg("seed"), py::arg("W") = py::none(), py::arg("H") = py::none(),
      py::arg("state") = py::none(), py::arg("progress") = py::none(), py::arg("memory") = Task::automatic);
  session.def(
      "transform",
      [](Session& self, const py::object& x, const std::string& estimator, const Values& params, const py::object& seed,
         const py::array& H, const py::object& progress, Index memory) {
        return transform(self, Input(x), task_of(estimator, params, seed, py::none(), H, progress, memory), H);
      },
      py::arg("x"), py::arg("estimator"), py::arg("params"), py::arg("seed"), py::arg("H"),
      py::arg("progress") = py::none(), py::arg("memory") = Task::automatic);
}

}  // namespace

PYBIND11_MODULE(_core, module) {
  module.doc() = "The library scanmf, for the classes of the package; see the stub _core.pyi";
  module.attr("__version__") = SCANMF_VERSION;
  py::register_exception<Error>(module, "Error", PyExc_ValueError);
  module.def("mpi_is_initialised", &mpi_is_initialised);
  module.def("instruction_set", &instruction_set);
  py::class_<Session> session(module, "Session");
  session.def(py::init<const py::object&, int>(), py::arg("comm") = py::none(), py::arg("threads") = 0);
  session.def_property_readonly("rank", [](const Session& self) { return self.comm().rank(); });
  session.def_property_readonly("size", [](const Session& self) { return self.comm().size(); });
  session.def_property_readonly("threads", &Session::threads);
  session.def("agree", &Session::agree, py::arg("mistake"));
  session.def("close", &Session::close);
  bind_calls(session);
  session.def(
      "save",
      [](Session& self, const std::string& file, const std::string& estimator, const Values& params,
         const py::object& seed, const py::dict& state, const py::object& W,
         const std::vector<std::string>& feature_names, const Texts& provenance) {
        save(self, file, parameters_of(estimator, params), seed, state, W, feature_names, provenance);
      },
      py::arg("file"), py::arg("estimator"), py::arg("params"), py::arg("seed"), py::arg("state"), py::arg("W"),
      py::arg("feature_names"), py::arg("provenance"));
  session.def("load", &load, py::arg("file"));
  session.def("load_W", &load_W, py::arg("file"));
  session.def(
      "inspect", [](Session& self, const std::string& input) { return app::describe_file(self.comm(), input).dump(); },
      py::arg("input"));
}

}  // namespace scanmf::python
