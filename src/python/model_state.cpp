#include "python/model_state.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "scanmf/core/error.hpp"
#include "scanmf/parallel/ordered_sum.hpp"

namespace py = pybind11;

namespace scanmf::python {
namespace {

/// Collective. The whole of an accumulator (k × n) from the slices (columns × k) of all ranks.
template <Scalar T>
Matrix<T> whole_accumulator(const Communicator& comm, const Matrix<T>& slice, Index n) {
  const py::gil_scoped_release release;
  const Index k = slice.columns();
  Matrix<T> whole(n, k);
  const Range own = column_slice(comm, n);
  std::copy_n(slice.data(), own.size() * k, whole.row(own.begin));
  std::vector<Index> offsets = column_slices(n, comm.size());
  for (Index& offset : offsets) offset *= k;
  comm.allgather(whole.span(), offsets);
  return transposed(std::as_const(whole).view());
}

template <Scalar T>
Matrix<T> slice_of_accumulator(const Communicator& comm, const py::object& whole) {
  const Array<T> array = whole.cast<Array<T>>();
  const MatrixView<const T> view = view_of(array);
  const Range own = column_slice(comm, view.columns);
  Matrix<T> slice(own.size(), view.rows);
  for (Index c = 0; c < view.rows; ++c)
    for (Index j = own.begin; j < own.end; ++j) slice(j - own.begin, c) = view(c, j);
  return slice;
}

}  // namespace

Parameters parameters_of(const std::string& estimator, const Values& values) {
  Parameters parameters;
  parameters.estimator = estimator == option_name(Estimator::minibatch_nmf) ? Estimator::minibatch_nmf : Estimator::nmf;
  for (const auto& [name, value] : values) parameters.set_value(name, value);
  const std::vector<std::string> mistakes = parameters.validate();
  if (!mistakes.empty()) throw UsageError(fmt::format("{}", fmt::join(mistakes, "\n")));
  return parameters;
}

Values values_of(const Parameters& parameters) {
  Values values;
  for (const std::string& name : parameters.names()) values.emplace(name, parameters.value(name));
  return values;
}

Origin origin_of(const py::object& seed) {
  if (!py::isinstance<py::tuple>(seed)) return {seed.cast<std::uint32_t>(), nullptr, false};
  const auto state = seed.cast<py::tuple>();
  const auto words = state[0].cast<py::array_t<std::uint32_t, py::array::c_style | py::array::forcecast>>();
  std::array<std::uint32_t, MersenneTwister::words> key{};
  if (words.size() != MersenneTwister::words) throw py::value_error("random_state is not a generator of type MT19937");
  std::copy_n(words.data(), key.size(), key.begin());
  const MersenneTwister engine(key, state[1].cast<int>());
  const auto generator = state[2].cast<bool>() ? std::make_shared<LegacyRandom>(engine, state[3].cast<double>())
                                               : std::make_shared<LegacyRandom>(engine, std::nullopt);
  return {Seed(generator), generator, state[4].cast<bool>()};
}

py::object state_of(const Origin& origin) {
  if (!origin.generator) return py::none();
  const auto& stream = origin.generator;
  const auto& key = stream->engine().key();
  const std::optional<double> spare = stream->spare();
  return py::make_tuple(py::array_t<std::uint32_t>(static_cast<py::ssize_t>(key.size()), key.data()),
                        stream->engine().position(), spare ? 1 : 0, spare.value_or(0.0));
}

template <Scalar T>
py::dict to_dictionary(const Communicator& comm, const FittedModel<T>& model) {
  py::dict state;
  state["components"] = to_numpy(transposed(model.factors.Ht.view()));
  state["n_samples"] = model.n_samples;
  state["n_iter"] = model.n_iter;
  state["n_steps"] = model.n_steps;
  state["reconstruction_err"] = model.reconstruction_err;
  state["converged"] = model.converged;
  py::dict history;
  for (const auto& [name, values] : model.history.columns)
    history[py::str(name)] = py::array_t<double>(static_cast<py::ssize_t>(values.size()), values.data());
  state["history"] = history;
  py::dict numbers;
  for (const auto& [name, value] : model.state.numbers)
    std::visit([&, key = py::str(name)](const auto& number) { numbers[key] = number; }, value);
  state["stop"] = numbers;
  if (model.n_steps) {
    const Index n = model.factors.Ht.rows();
    state["numerator"] = to_numpy(whole_accumulator(comm, model.state.arrays.at(0).slice, n));
    state["denominator"] = to_numpy(whole_accumulator(comm, model.state.arrays.at(1).slice, n));
    state["rho"] = number_or(model.state.numbers, "rho", 1.0);
  }
  return state;
}

template <Scalar T>
FittedModel<T> from_dictionary(const Communicator& comm, const Parameters& parameters, const py::dict& state) {
  FittedModel<T> model;
  model.parameters = parameters;
  const auto H = state["components"].cast<Array<T>>();
  model.factors.Ht = transposed(view_of(H));
  model.n_components = model.factors.Ht.columns();
  model.n_samples = state["n_samples"].cast<Index>();
  model.n_iter = state["n_iter"].cast<Index>();
  model.n_steps = state["n_steps"].cast<std::optional<Index>>();
  model.reconstruction_err = state["reconstruction_err"].cast<double>();
  model.converged = state["converged"].cast<bool>();
  for (const std::pair<py::handle, py::handle>& column : state["history"].cast<py::dict>())
    model.history.columns.emplace_back(column.first.cast<std::string>(), column.second.cast<std::vector<double>>());
  for (const std::pair<py::handle, py::handle>& number : state["stop"].cast<py::dict>()) {
    const auto name = number.first.cast<std::string>();
    if (py::isinstance<py::float_>(number.second))
      set_number(model.state.numbers, name, number.second.cast<double>());
    else
      set_number(model.state.numbers, name, number.second.cast<Index>());
  }
  if (model.n_steps) {
    model.state.arrays.push_back({"A", slice_of_accumulator<T>(comm, state["numerator"])});
    model.state.arrays.push_back({"B", slice_of_accumulator<T>(comm, state["denominator"])});
    set_number(model.state.numbers, "rho", state["rho"].cast<double>());
  }
  return model;
}

template py::dict to_dictionary(const Communicator&, const FittedModel<float>&);
template py::dict to_dictionary(const Communicator&, const FittedModel<double>&);
template FittedModel<float> from_dictionary(const Communicator&, const Parameters&, const py::dict&);
template FittedModel<double> from_dictionary(const Communicator&, const Parameters&, const py::dict&);

}  // namespace scanmf::python
