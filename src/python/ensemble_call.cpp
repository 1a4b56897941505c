#include "python/ensemble_call.hpp"

#include <fmt/format.h>

#include <limits>

#include "app/file_checks.hpp"
#include "core/with_scalar.hpp"
#include "data/input_name.hpp"
#include "python/files_read.hpp"
#include "python/opened.hpp"
#include "scanmf/ensemble/ensemble_file.hpp"

namespace py = pybind11;

namespace scanmf::python {
namespace {

EnsembleControl control_of(Session& session, const Task& task, const EnsembleTask& wanted) {
  const RunControl run = session.control(task.progress);
  EnsembleControl control;
  control.output = wanted.output;
  control.stop_requested = [asked = run.stop_requested] {
    return asked() ? std::optional<std::string>("interrupted") : std::nullopt;
  };
  if (run.on_progress)
    control.on_progress = [tell = run.on_progress](const EnsembleProgress& now) {
      tell({now.done, now.all, 0, "replicates", std::numeric_limits<double>::quiet_NaN(), nullptr});
    };
  const std::string command = command_line();
  const py::gil_scoped_release release;
  control.checkpoint = app::checkpoint_options(session.comm(), task.checkpoint);
  control.provenance = provenance_attributes(session.comm(), command);
  return control;
}

/// An ensemble and its X: of a file each group of ranks holds all of it, of rows in memory all ranks share them.
template <Scalar T>
struct OpenedEnsemble {
  std::unique_ptr<EnsembleJob<T>> job;
  std::unique_ptr<DataSource<T>> source;
};

template <Scalar T>
OpenedEnsemble<T> open_ensemble(const Communicator& comm, const Input& x, const Description& description,
                                const Task& task, const EnsembleTask& wanted, EnsembleControl control) {
  OpenedEnsemble<T> opened;
  const bool is_kept = !control.checkpoint.file.empty();
  const SampleWeights weights = weights_of(comm, x, description, task);
  const std::string of_weights = is_kept ? fingerprint_of(comm, weights) : "";
  const auto prepare = [&](MatrixIdentity identity) {
    opened.job = std::make_unique<EnsembleJob<T>>(comm, std::move(identity), task.parameters, wanted.options,
                                                  std::move(control));
  };
  if (!description.file) {
    opened.source = std::move(open<T>(comm, x, description, task, MatrixUse::fit, weights).source);
    prepare({opened.source->shape(), wanted.feature_names, {}, is_kept ? x.fingerprint(comm) + of_weights : ""});
    return opened;
  }
  const GroupPlan plan = plan_groups(comm, wanted.groups, *description.file, data_type_of<T>, memory_limit(task.memory),
                                     task.parameters, wanted.options);
  control.groups = plan.groups;
  control.memory = plan.memory;
  MatrixIdentity identity = identity_of(comm, *description.file, is_kept);
  identity.fingerprint += of_weights;
  prepare(std::move(identity));
  const SampleWeights own = weights_of_group(comm, opened.job->group(), weights, description.file->shape.rows);
  comm.agree([&] {  // one group may fail alone
    opened.source = open_planned<T>(opened.job->group(), *description.file, task.parameters, opened.job->largest_k(),
                                    MatrixUse::fit, plan.memory, own)
                        .source;
  });
  return opened;
}

template <Scalar T>
int ensemble_as(Session& session, const Input& x, const Description& description, const Task& task,
                const EnsembleTask& wanted) {
  const Communicator& comm = session.comm();
  EnsembleControl control = control_of(session, task, wanted);
  std::string stopped;
  {
    const py::gil_scoped_release release;
    const OpenedEnsemble<T> opened = open_ensemble<T>(comm, x, description, task, wanted, std::move(control));
    EnsembleJob<T>& job = *opened.job;
    if (job.run(*opened.source) && job.finish(*opened.source)) {
      job.remove_checkpoint();
    } else {
      stopped = fmt::format(
          "stopped after {} replicates ({}){}", job.done(), job.stop_reason(),
          job.checkpoint_file().empty()
              ? ""
              : fmt::format("; they are in '{}': the same call again goes on from there", job.checkpoint_file()));
    }
  }
  session.throw_if_interrupted();
  if (!stopped.empty()) throw StoppedRun(stopped);
  return 0;
}

/// Collective. As the command line checks its files.
void check_files(const Communicator& comm, const Description& description, const Task& task, const std::string& weights,
                 const EnsembleTask& wanted) {
  using app::FileUse;
  std::vector<app::FileRole> roles;
  if (description.file) roles.push_back({"X", description.file->file, FileUse::reads});
  if (const data::InputName input = data::parse_input(weights); !input.path.empty())
    roles.push_back({"sample_weight", input.file, FileUse::reads});
  roles.push_back({"path", wanted.output, FileUse::replaces});
  if (!task.checkpoint.file.empty())
    app::add_with_files_beside({"checkpoint", task.checkpoint.file, FileUse::removes}, roles);
  app::check_files(comm, roles);
}

}  // namespace

void ensemble(Session& session, const Input& x, const Task& task, const EnsembleTask& wanted) {
  const Description description = describe(session.comm(), x, class_name(task.parameters.estimator));
  const bool weights_are_named = py::isinstance<py::str>(task.sample_weight);
  const std::string weights = weights_are_named ? task.sample_weight.cast<std::string>() : "";
  {
    const py::gil_scoped_release release;
    refuse_file_read(session.comm(), wanted.output);
    check_files(session.comm(), description, task, weights, wanted);
  }
  with_scalar(description.type, [&]<Scalar T>() { return ensemble_as<T>(session, x, description, task, wanted); });
}

void check_ensemble(Session& session, const std::string& file) {
  const py::gil_scoped_release release;
  read_ensemble(session.comm(), file);
}

void select(Session& session, const std::string& file, Index k, const std::string& output) {
  const Communicator& comm = session.comm();
  const std::string command = command_line();
  const py::gil_scoped_release release;
  const EnsembleFile ensemble = read_ensemble(comm, file);
  Attributes provenance = provenance_attributes(comm, command);
  add_end(comm, provenance);
  with_scalar(ensemble.dtype, [&]<Scalar T>() {
    write_consensus<T>(comm, ensemble, k, output, provenance, false);
    return 0;
  });
}

}  // namespace scanmf::python
