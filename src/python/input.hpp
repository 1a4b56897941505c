#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <memory>
#include <string>
#include <variant>

#include "scanmf/data/rows_in_memory.hpp"

namespace scanmf::python {

/// X as Python hands it in: a file, or rows in memory. It refers to the memory of the object that it was made of.
struct Input {
  explicit Input(const pybind11::object& x);

  std::variant<std::string, DenseRows, SparseRows> what;
  bool is_file() const { return what.index() == 0; }
  Index local_rows() const;
  /// Collective. The type to compute in: float32 where all ranks have that.
  DataType data_type(const Communicator& comm) const;
  /// Collective. Of rows in memory that have made a source.
  std::string fingerprint(const Communicator& comm) const;
};

/// A matrix over memory of numpy.
template <Scalar T>
using Array = pybind11::array_t<T, pybind11::array::c_style | pybind11::array::forcecast>;

template <Scalar T>
MatrixView<const T> view_of(const Array<T>& array) {
  return {array.data(), static_cast<Index>(array.shape(0)), static_cast<Index>(array.shape(1))};
}

/// A numpy array that owns the matrix from now on; nothing is copied.
template <Scalar T>
pybind11::array_t<T> to_numpy(Matrix<T> matrix) {
  auto* const owner = new Matrix<T>(std::move(matrix));
  const pybind11::capsule free(owner, [](void* held) { delete static_cast<Matrix<T>*>(held); });
  return pybind11::array_t<T>({owner->rows(), owner->columns()}, owner->data(), free);
}

template <Scalar T>
Matrix<T> transposed(MatrixView<const T> matrix) {
  Matrix<T> result(matrix.columns, matrix.rows);
  for (Index i = 0; i < matrix.rows; ++i)
    for (Index j = 0; j < matrix.columns; ++j) result(j, i) = matrix(i, j);
  return result;
}

}  // namespace scanmf::python
