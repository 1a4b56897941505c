#include "python/input.hpp"

#include "scanmf/core/error.hpp"

namespace py = pybind11;

namespace scanmf::python {
namespace {

ElementType type_of(const py::dtype& type) {
  const std::pair<py::dtype, ElementType> known[] = {
      {py::dtype::of<std::int8_t>(), ElementType::int8},     {py::dtype::of<std::int16_t>(), ElementType::int16},
      {py::dtype::of<std::int32_t>(), ElementType::int32},   {py::dtype::of<std::int64_t>(), ElementType::int64},
      {py::dtype::of<std::uint8_t>(), ElementType::uint8},   {py::dtype::of<std::uint16_t>(), ElementType::uint16},
      {py::dtype::of<std::uint32_t>(), ElementType::uint32}, {py::dtype::of<std::uint64_t>(), ElementType::uint64},
      {py::dtype("float16"), ElementType::float16},          {py::dtype::of<float>(), ElementType::float32},
      {py::dtype::of<double>(), ElementType::float64}};
  for (const auto& [dtype, element] : known)
    if (type.equal(dtype)) return element;
  throw py::type_error("elements of type " + py::str(static_cast<py::handle>(type)).cast<std::string>() +
                       " must be converted first");
}

DenseRows dense_rows(const py::array& x) {
  if (x.ndim() != 2)
    throw py::value_error("Expected 2D array, got an array of " + std::to_string(x.ndim()) + " dimensions instead");
  return {x.data(), type_of(x.dtype()), x.shape(0), x.shape(1), x.strides(0), x.strides(1)};
}

/// (csc?, shape, data, indices, indptr) of a matrix of scipy.sparse, the arrays contiguous.
SparseRows sparse_rows(const py::tuple& x) {
  const auto shape = x[1].cast<std::pair<Index, Index>>();
  const auto values = x[2].cast<py::array>();
  const auto indices = x[3].cast<py::array>();
  const auto bounds = x[4].cast<py::array>();
  SparseRows rows{x[0].cast<bool>(), shape.first, shape.second, std::min(values.size(), indices.size())};
  if (bounds.size() != (rows.by_columns ? rows.columns : rows.rows) + 1)
    throw py::value_error("a sparse matrix has a wrong number of elements in indptr");
  rows.type = type_of(values.dtype());
  rows.index_type = type_of(indices.dtype());
  rows.values = values.data();
  rows.indices = indices.data();
  rows.bounds = bounds.data();
  return rows;
}

}  // namespace

Input::Input(const py::object& x) {
  if (py::isinstance<py::str>(x)) {
    what = x.cast<std::string>();
  } else if (py::isinstance<py::tuple>(x)) {
    what = sparse_rows(x);
  } else {
    what = dense_rows(x);
  }
}

Index Input::local_rows() const {
  if (const auto* dense = std::get_if<DenseRows>(&what)) return dense->rows;
  if (const auto* sparse = std::get_if<SparseRows>(&what)) return sparse->rows;
  return 0;
}

DataType Input::data_type(const Communicator& comm) const {
  const auto* dense = std::get_if<DenseRows>(&what);
  const auto* sparse = std::get_if<SparseRows>(&what);
  const bool single = local_rows() == 0 || (dense != nullptr ? dense->type : sparse->type) == ElementType::float32;
  return comm.max<Index>(single ? 0 : 1) == 0 ? DataType::float32 : DataType::float64;
}

std::string Input::fingerprint(const Communicator& comm) const {
  if (const auto* dense = std::get_if<DenseRows>(&what)) return rows_fingerprint(comm, *dense);
  return rows_fingerprint(comm, std::get<SparseRows>(what));
}

}  // namespace scanmf::python
