#include "python/calls.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "core/with_scalar.hpp"
#include "python/files_read.hpp"
#include "python/opened.hpp"
#include "scanmf/core/log.hpp"
#include "scanmf/estimator/job.hpp"
#include "scanmf/linalg/operations.hpp"

namespace py = pybind11;

namespace scanmf::python {
namespace {

/// Collective. The caller's initial factors; none when there are none, or init is another one than custom.
template <Scalar T>
std::optional<Factors<T>> custom_start(const Communicator& comm, const Opened<T>& x, const Task& task) {
  if (task.parameters.init != Init::custom) return std::nullopt;
  const auto W = task.W.cast<Array<T>>();
  const auto H = task.H.cast<Array<T>>();
  const py::gil_scoped_release release;
  Factors<T> start;
  start.Ht = transposed(view_of(H));
  const Index k = resolve_n_components(task.parameters, x.source->shape().columns, start.Ht.columns());
  start.W = owned_from_given(comm, view_of(W), x.source->partition());
  check_factors(*x.source, k, start, "NMF");  // so scikit-learn calls MiniBatchNMF here as well
  return start;
}

/// Collective. Features of a file against those of the model that is to take it.
void require_features(const Communicator& comm, const Description& x, const Task& task, Index n_features) {
  if (!x.file || !task.feature_names) return;
  ModelHeader model;
  model.estimator = option_name(task.parameters.estimator);
  model.n_features_in = n_features;
  model.feature_names = *task.feature_names;
  const py::gil_scoped_release release;
  comm.agree([&] { check_features(*x.file, model, class_name(task.parameters.estimator)); });
}

template <Scalar T>
void require_columns(const DataSource<T>& x, Index expected, Estimator estimator) {
  if (x.shape().columns != expected)
    throw Error(fmt::format("X has {} features, but {} is expecting {} features as input.", x.shape().columns,
                            class_name(estimator), expected));
}

/// What is the same for fit and partial_fit: the state of the run that the caller keeps. seed: of its draws; none: they
/// came from a generator.
template <Scalar T>
py::dict finished(const Communicator& comm, const FittedModel<T>& model, const Opened<T>& x, const Origin& origin,
                  std::optional<std::uint32_t> seed) {
  py::dict state = to_dictionary(comm, model);
  state["random_state"] = state_of(origin);
  state["seed"] = seed;
  py::dict used;  // parameters that the run has settled
  used["random_generator"] = model.parameters.get("random_generator");
  state["used"] = used;
  state["n_features"] = x.source->shape().columns;
  state["feature_names"] = x.feature_names;
  state["rows"] = py::make_tuple(x.first_row, x.first_row + x.given_rows);
  return state;
}

JobOptions job_options(Session& session, const Task& task) {
  const RunControl control = session.control(task.progress);
  JobOptions options;
  options.generator = task.origin.generator;
  options.any_generator = task.origin.is_any;
  options.on_progress = control.on_progress;
  options.stop_requested = [asked = control.stop_requested] {
    return asked() ? std::optional<std::string>("interrupted") : std::nullopt;
  };
  const std::string command = command_line();
  const py::gil_scoped_release release;
  options.checkpoint = app::checkpoint_options(session.comm(), task.checkpoint);
  if (!options.checkpoint.file.empty()) options.provenance = provenance_attributes(session.comm(), command);
  return options;
}

/// A fit's job and its X. The checkpoint of a fit on a file is looked at before the file is read.
template <Scalar T>
struct OpenedJob {
  std::unique_ptr<FitJob<T>> job;
  Opened<T> x;
};

template <Scalar T>
OpenedJob<T> open_job(const Communicator& comm, const Input& x, const Description& description, const Task& task,
                      JobOptions options) {
  const py::gil_scoped_release release;
  const bool is_kept = !options.checkpoint.file.empty();
  OpenedJob<T> opened;
  const auto prepare = [&](MatrixIdentity identity) {
    opened.job = std::make_unique<FitJob<T>>(comm, std::move(identity), task.parameters, std::move(options));
  };
  const SampleWeights weights = weights_of(comm, x, description, task);
  const std::string of_weights = is_kept ? fingerprint_of(comm, weights) : "";
  if (description.file) {
    MatrixIdentity identity = identity_of(comm, *description.file, is_kept);
    identity.fingerprint += of_weights;
    prepare(std::move(identity));
  }
  opened.x = open<T>(comm, x, description, task, MatrixUse::fit, weights);
  if (!description.file) prepare({opened.x.source->shape(), {}, {}, is_kept ? x.fingerprint(comm) + of_weights : ""});
  return opened;
}

/// Collective. What is told of a fit that has stopped early.
template <Scalar T>
std::string stop_message(const FitJob<T>& job, const FittedModel<T>& model) {
  const std::string reason = job.stop_reason();
  const Index done = model.n_steps.value_or(model.n_iter);
  if (job.checkpoint_file().empty()) return fmt::format("stopped after iteration {} ({})", done, reason);
  return fmt::format("stopped after iteration {} ({}); the state is in '{}': the same fit again goes on from there",
                     done, reason, job.checkpoint_file());
}

template <Scalar T>
py::dict fit_as(Session& session, const Input& x, const Description& description, const Task& task) {
  const Communicator& comm = session.comm();
  const OpenedJob<T> opened = open_job<T>(comm, x, description, task, job_options(session, task));
  std::optional<Factors<T>> start = custom_start<T>(comm, opened.x, task);
  FittedModel<T> model;
  Matrix<T> W;
  std::string stopped;
  {
    const py::gil_scoped_release release;
    model = opened.job->run(*opened.x.source, std::move(start));
    if (model.stopped) {
      stopped = stop_message(*opened.job, model);
      log_information(stopped);
    } else {
      W = opened.x.given(comm, model.factors.W);
      opened.job->remove_checkpoint();
    }
  }
  session.throw_if_interrupted();
  if (model.stopped) throw StoppedRun(stopped);
  py::dict state = finished(comm, model, opened.x, task.origin,
                            opened.job->has_generator() ? std::nullopt : std::optional(opened.job->seed()));
  state["W"] = to_numpy(std::move(W));
  return state;
}

template <Scalar T>
py::dict partial_fit_as(Session& session, const Input& x, const Description& description, Task task,
                        const py::object& state) {
  const Communicator& comm = session.comm();
  const MatrixUse use = state.is_none() ? MatrixUse::partial_fit : MatrixUse::next_partial_fit;
  Opened<T> opened;
  if (!state.is_none())
    require_features(comm, description, task, static_cast<Index>(state["components"].cast<py::array>().shape(1)));
  {
    const py::gil_scoped_release release;
    opened = open<T>(comm, x, description, task, use, weights_of(comm, x, description, task));
  }
  FittedModel<T> model;
  if (!state.is_none()) {
    model = from_dictionary<T>(comm, task.parameters, state);
    require_columns(*opened.source, model.factors.Ht.rows(), Estimator::minibatch_nmf);
  } else if (settle_random_generator(task.parameters, opened.source->shape());
             std::optional<Factors<T>> start = custom_start<T>(comm, opened, task)) {
    model.parameters = task.parameters;
    model.n_components = start->Ht.columns();
    model.factors.Ht = std::move(start->Ht);
  } else {
    const py::gil_scoped_release release;
    model = unfitted_model(*opened.source, task.parameters, task.origin.seed);
  }
  {
    const RunControl control = session.control(task.progress);
    const py::gil_scoped_release release;
    scanmf::partial_fit(*opened.source, model, control);
  }
  session.throw_if_interrupted();
  model.n_samples += opened.source->shape().rows;
  model.reconstruction_err = std::numeric_limits<double>::quiet_NaN();
  return finished(comm, model, opened, task.origin,
                  task.origin.generator ? std::nullopt : std::optional(task.origin.seed.number()));
}

template <Scalar T>
py::tuple transform_as(Session& session, const Input& x, const Description& description, const Task& task,
                       const py::array& H) {
  const Communicator& comm = session.comm();
  require_features(comm, description, task, static_cast<Index>(H.shape(1)));
  const auto components = H.cast<Array<T>>();
  const Matrix<T> Ht = transposed(view_of(components));
  RunReport report;
  RunControl control = session.control(task.progress);
  control.report = &report;
  Matrix<T> W;
  {
    const py::gil_scoped_release release;
    const SampleWeights weights = weights_of(comm, x, description, task);
    const Opened<T> opened = open<T>(comm, x, description, task, MatrixUse::transform, weights);
    try {
      W = opened.given(comm, scanmf::transform(*opened.source, Ht, task.parameters, task.origin.seed, control));
    } catch (const AgreedError& error) {
      if (error.status() != ExitStatus::stopped) throw;
    }
  }
  session.throw_if_interrupted();
  return py::make_tuple(to_numpy(std::move(W)), report.updates, state_of(task.origin));
}

}  // namespace

py::dict fit(Session& session, const Input& x, const Task& task) {
  const Description description = describe(session.comm(), x, class_name(task.parameters.estimator));
  return with_scalar(description.type, [&]<Scalar T>() { return fit_as<T>(session, x, description, task); });
}

py::dict partial_fit(Session& session, const Input& x, const Task& task, const py::object& state) {
  const Description description = describe(session.comm(), x, class_name(Estimator::minibatch_nmf));
  DataType type = description.type;
  if (!state.is_none())
    type = state["components"].cast<py::array>().itemsize() == 4 ? DataType::float32 : DataType::float64;
  return with_scalar(type, [&]<Scalar T>() { return partial_fit_as<T>(session, x, description, task, state); });
}

py::tuple transform(Session& session, const Input& x, const Task& task, const py::array& H) {
  const Description description = describe(session.comm(), x, class_name(task.parameters.estimator));
  const DataType type = H.itemsize() == 4 ? description.type : DataType::float64;
  return with_scalar(type, [&]<Scalar T>() { return transform_as<T>(session, x, description, task, H); });
}

void save(Session& session, const std::string& file, const Parameters& parameters, const py::object& seed,
          const py::dict& state, const py::object& W, const std::vector<std::string>& feature_names) {
  const Communicator& comm = session.comm();
  const std::string command = command_line();
  const DataType type = state["components"].cast<py::array>().itemsize() == 4 ? DataType::float32 : DataType::float64;
  with_scalar(type, [&]<Scalar T>() {
    FittedModel<T> model = from_dictionary<T>(comm, parameters, state);
    ModelContext context;
    context.seed = seed.is_none() ? 0 : seed.cast<std::uint32_t>();  // of a generator the file cannot keep more
    context.n_features = model.factors.Ht.rows();
    context.feature_names = feature_names;
    const Array<T> rows = W.is_none() ? Array<T>(std::vector<py::ssize_t>{0, 0}) : W.cast<Array<T>>();
    const MatrixView<const T> given = view_of(rows);
    const bool of_a_generator = seed.is_none();
    const py::gil_scoped_release release;
    refuse_file_read(comm, file);
    context.provenance = provenance_attributes(comm, command);
    if (of_a_generator) note_generator(context.provenance);
    add_end(comm, context.provenance);
    std::optional<RowPartition> partition;
    if (comm.max(given.columns) > 0) {
      const Index rows_of_W = comm.sum(given.rows);
      if (rows_of_W != model.n_samples)
        throw Error(
            fmt::format("W has {} rows, but the model was learned from {} samples", rows_of_W, model.n_samples));
      partition.emplace(RowPartition::even(rows_of_W, comm.size()));
      model.factors.W = owned_from_given(comm, given, *partition);
    }
    write_model(comm, file, header_of(model, context), arrays_of(model, comm, partition ? &*partition : nullptr));
    return 0;
  });
}

py::dict load(Session& session, const std::string& file) {
  const Communicator& comm = session.comm();
  ModelHeader header;
  {
    const py::gil_scoped_release release;
    header = read_model_header(comm, file);
  }
  if (header.estimator.empty()) throw Error(fmt::format("'{}' has a dataset /H, but is no model file", file));
  return with_scalar(header.dtype, [&]<Scalar T>() {
    FittedModel<T> model;
    {
      const py::gil_scoped_release release;
      model = read_fitted_model<T>(comm, file, header, nullptr);
    }
    py::dict state = to_dictionary(comm, model);
    state["estimator"] = header.estimator;
    Values params = values_of(model.parameters);
    if (is_of_generator(header)) params["random_state"] = {};
    state["params"] = params;
    state["n_features"] = header.n_features_in;
    state["feature_names"] = header.feature_names;
    return state;
  });
}

py::array load_W(Session& session, const std::string& file) {
  const Communicator& comm = session.comm();
  std::optional<DatasetInfo> info;
  {
    const py::gil_scoped_release release;
    info = dataset_info(comm, file, "/W");
  }
  if (!info) throw Error(fmt::format("'{}' has no dataset /W: it was written without", file));
  return with_scalar(info->data_type, [&]<Scalar T>() -> py::array {
    Matrix<T> W;
    {
      const py::gil_scoped_release release;
      const Index rows = info->dimensions.at(0);
      const RowPartition partition = RowPartition::even(rows, comm.size());
      W = given_from_owned(comm, read_model_W<T>(comm, file, partition), partition, equal_slice(comm, rows).size());
    }
    return to_numpy(std::move(W));
  });
}

}  // namespace scanmf::python
