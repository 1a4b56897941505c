#include "python/session.hpp"

#include <fmt/format.h>
#include <pybind11/stl.h>

#include "core/printable.hpp"
#include "parallel/library_name.hpp"
#include "scanmf/core/log.hpp"

namespace py = pybind11;

namespace scanmf::python {
namespace {

/// The function of mpi4py's C API that looks into a communicator, found at run time: mpi4py need not be there to build
/// with.
MPI_Comm communicator_in(const py::object& comm) {
  const py::module_ mpi = py::module_::import("mpi4py.MPI");
  const std::string theirs = library_name(mpi.attr("Get_library_version")().cast<std::string>());
  if (theirs != mpi_library())
    throw Error(
        fmt::format("mpi4py uses another MPI library ({}) than scanmf ({}): install the mpi4py that belongs to it",
                    printable(theirs), mpi_library()));
  const py::capsule function = mpi.attr("__pyx_capi__")["PyMPIComm_Get"];
  using Get = MPI_Comm* (*)(PyObject*);
  const auto get = reinterpret_cast<Get>(PyCapsule_GetPointer(function.ptr(), PyCapsule_GetName(function.ptr())));
  MPI_Comm* const handle = get == nullptr ? nullptr : get(comm.ptr());
  if (handle == nullptr) throw py::error_already_set();
  return *handle;
}

/// Initialises MPI for the rest of the process, unless that has been done.
void start_mpi() {
  static std::optional<EmbeddedMpi> environment;
  if (mpi_is_initialised()) return;
  environment.emplace();
  py::module_::import("atexit").attr("register")(py::cpp_function([] { environment.reset(); }));
}

const char* name_of(LogLevel level) {
  switch (level) {
    case LogLevel::information:
      return "information";
    case LogLevel::detail:
      return "detail";
    default:
      return "warning";
  }
}

}  // namespace

Session::Session(const py::object& comm, int threads) {
  MPI_Comm parent = MPI_COMM_SELF;
  if (!comm.is_none()) {
    parent = communicator_in(comm);
  } else {
    start_mpi();
  }
  const py::gil_scoped_release release;
  comm_ = std::make_unique<Communicator>(parent);
  threads_.emplace(threads > 0 ? threads : automatic_threads(*comm_));
  set_log_sink([this](LogLevel level, std::string_view text) {
    if (!comm_->is_root()) return;
    const std::scoped_lock lock(mutex_);
    messages_.emplace_back(name_of(level), printable(text));
  });
}

Session::~Session() {
  if (comm_) close();
}

void Session::agree(const std::string& mistake) const {
  const py::gil_scoped_release release;
  comm_->agree([&] {
    if (!mistake.empty()) throw Error(mistake);
  });
}

std::vector<py::bytes> Session::allgather(const std::string& own) const {
  std::vector<std::string> all;
  {
    const py::gil_scoped_release release;
    all = comm_->allgather(own);
  }
  return {all.begin(), all.end()};
}

RunControl Session::control(const py::object& progress) {
  RunControl control;
  const auto keep = [this] {
    if (!reason_) reason_.emplace();
  };
  control.stop_requested = [this, keep] {
    const py::gil_scoped_acquire acquire;
    if (!reason_ && PyErr_CheckSignals() != 0) keep();
    return reason_.has_value();
  };
  if (progress.is_none()) return control;
  control.on_progress = [this, &progress, keep](const Progress& now) {
    const py::gil_scoped_acquire acquire;
    if (reason_ || !comm_->is_root()) return;
    py::dict newest;
    if (now.history != nullptr)
      for (const auto& [name, values] : now.history->columns) newest[py::str(name)] = values.back();
    try {
      progress(now.iteration, now.max_iteration, now.seconds, now.measure, now.value, newest);
    } catch (py::error_already_set& error) {
      error.restore();
      keep();
    }
  };
  return control;
}

void Session::throw_if_interrupted() {
  {
    const py::gil_scoped_release release;
    if (comm_->max<Index>(reason_ ? 1 : 0) == 0) return;
  }
  if (!reason_) PyErr_SetString(PyExc_KeyboardInterrupt, "another rank was interrupted");
  if (!reason_) throw py::error_already_set();
  py::error_already_set reason = *reason_;
  reason_.reset();
  throw reason;
}

std::vector<std::pair<std::string, std::string>> Session::close() {
  set_log_sink({});
  threads_.reset();
  comm_.reset();
  return std::exchange(messages_, {});
}

}  // namespace scanmf::python
