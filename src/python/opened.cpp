#include "python/opened.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "python/files_read.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/data/sample_weights.hpp"
#include "scanmf/linalg/operations.hpp"

namespace py = pybind11;

namespace scanmf::python {
namespace {

/// Collective. Throws where some ranks name a place of weights and others do not: reading them is collective.
void require_one_kind_of_weights(const Communicator& comm, bool are_named) {
  const py::gil_scoped_release release;
  const bool any = comm.max<Index>(are_named ? 1 : 0) != 0;
  const bool all = comm.max<Index>(are_named ? 0 : 1) == 0;
  if (any && !all)
    throw AgreedError("sample_weight is a text on some ranks and none on others: give the same kind on all of them");
}

}  // namespace

Description describe(const Communicator& comm, const Input& x, const char* estimator) {
  if (!x.is_file()) return {std::nullopt, x.data_type(comm)};
  const py::gil_scoped_release release;
  const MatrixDescription description = describe_matrix(comm, std::get<std::string>(x.what), estimator);
  remember_file_read(description.file);
  return {description, description.data_type};
}

MemoryLimit memory_limit(Index memory) {
  return {memory == Task::automatic, memory > 0 ? std::optional<Index>(memory) : std::nullopt};
}

template <Scalar T>
Opened<T> open(const Communicator& comm, const Input& x, const Description& description, const Task& task,
               MatrixUse use, const SampleWeights& weights) {
  Opened<T> opened;
  if (description.file) {
    const auto [rows, columns] = description.file->shape;
    const Index k = task.rows_of_H.value_or(resolve_n_components(task.parameters, columns, std::nullopt));
    opened.source =
        open_planned<T>(comm, *description.file, task.parameters, k, use, memory_limit(task.memory), weights).source;
    const Range share = equal_slice(comm, rows);
    opened.first_row = share.begin;
    opened.given_rows = share.size();
    opened.feature_names = description.file->feature_names;
    return opened;
  }
  opened.given_rows = x.local_rows();
  const LoadOptions options = load_options<T>(task.parameters, use, comm.sum(opened.given_rows));
  std::unique_ptr<DataSource<T>> source;
  if (const auto* dense = std::get_if<DenseRows>(&x.what)) {
    source = source_from_rows<T>(comm, *dense, options);
  } else {
    source = source_from_rows<T>(comm, std::get<SparseRows>(x.what), options);
  }
  opened.source = observed_as<T>(std::move(source), task.parameters, "", use, weights);
  return opened;
}

SampleWeights weights_of(const Communicator& comm, const Input& x, const Description& description, const Task& task) {
  const py::gil_scoped_acquire acquire;
  const bool are_named = py::isinstance<py::str>(task.sample_weight);
  require_one_kind_of_weights(comm, are_named);
  if (are_named) {
    if (!description.file) throw UsageError("sample_weight is an array where X is one");
    const auto name = task.sample_weight.cast<std::string>();
    const py::gil_scoped_release release;
    return read_sample_weights(comm, name, *description.file);
  }
  SampleWeights weights;
  if (!task.sample_weight.is_none()) weights = task.sample_weight.cast<std::vector<double>>();
  const py::gil_scoped_release release;
  Index rows = x.is_file() ? 0 : x.local_rows();
  if (description.file) rows = equal_slice(comm, description.file->shape.rows).size();
  if (require_a_weight_each(comm, weights, rows) && !weights) weights.emplace();
  return weights;
}

std::string command_line() {
  const py::object blank = py::str(" ");
  const auto words = blank.attr("join")(py::module_::import("sys").attr("argv")).cast<std::string>();
  return words.empty() ? "python" : words;
}

template Opened<float> open(const Communicator&, const Input&, const Description&, const Task&, MatrixUse,
                            const SampleWeights&);
template Opened<double> open(const Communicator&, const Input&, const Description&, const Task&, MatrixUse,
                             const SampleWeights&);

}  // namespace scanmf::python
