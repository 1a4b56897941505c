#include "python/opened.hpp"

#include <algorithm>

#include "python/files_read.hpp"
#include "scanmf/linalg/operations.hpp"

namespace py = pybind11;

namespace scanmf::python {

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
