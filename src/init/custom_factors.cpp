#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "scanmf/core/error.hpp"
#include "scanmf/data/matrix_file.hpp"
#include "scanmf/init/initial_factors.hpp"

namespace scanmf {
namespace {

/// One of the two arrays, as messages speak of it.
struct InputArray {
  std::string file;  // empty: in memory
  std::string estimator;
  const char* name;  // "H" or "W"
  Shape expected;
  const char* meaning;  // of the expected shape
  std::string path() const { return std::string("/") + name; }
  std::string place() const { return file.empty() ? name : file + ":" + path(); }
};

InputArray array_H(const std::string& file, const std::string& estimator, Index n_components, Index n_features) {
  return {file, estimator, "H", {n_components, n_features}, "n_components x n_features"};
}

InputArray array_W(const std::string& file, const std::string& estimator, Index n_components, Index n_samples) {
  return {file, estimator, "W", {n_samples, n_components}, "n_samples x n_components"};
}

void check_shape(const InputArray& input, const Shape& shape) {
  if (shape != input.expected)
    throw Error(fmt::format(
        "Array with wrong shape passed to {} (input {}). Expected ({}, {}), but got ({}, {}): {} must be {}",
        input.estimator, input.name, input.expected.rows, input.expected.columns, shape.rows, shape.columns,
        input.place(), input.meaning));
}

/// An array as the file has it.
struct StoredArray {
  Shape shape;
  DataType type = DataType::float64;
};

/// Collective. Nothing of the array itself is read; an error when it is missing or no matrix.
StoredArray find_array(const Communicator& comm, const InputArray& input) {
  const std::optional<DatasetInfo> info = dataset_info(comm, input.file, input.path());
  StoredArray found;
  comm.agree([&] {
    if (!info)
      throw Error(
          fmt::format("Expected 2D array, got scalar array instead: {} has no dataset {}; init 'custom' needs /W "
                      "(n_samples x n_components) and /H "
                      "(n_components x n_features)",
                      input.file, input.path()));
    const std::vector<Index>& dimensions = info->dimensions;
    if (dimensions.size() != 2)
      throw Error(dimensions.empty()
                      ? fmt::format("Expected 2D array, got scalar array instead: {}", input.place())
                      : fmt::format("Expected 2D array, got {}D array instead: {}", dimensions.size(), input.place()));
    found = {{dimensions[0], dimensions[1]}, info->data_type};
  });
  return found;
}

/// Collective. The element type; an error when the array is missing or has another shape.
DataType check_dataset(const Communicator& comm, const InputArray& input) {
  const StoredArray found = find_array(comm, input);
  comm.agree([&] { check_shape(input, found.shape); });
  return found.type;
}

/// Local. Throws at the first entry that is not finite or is negative; global_row gives the row of the file for a row
/// of `values`.
template <Scalar T, class GlobalRow>
void check_entries(const InputArray& input, const Matrix<T>& values, GlobalRow&& global_row) {
  const auto allowed = [](T value) { return std::isfinite(value) && value >= 0; };
  const auto wrong = std::find_if_not(values.span().begin(), values.span().end(), allowed);
  if (wrong == values.span().end()) return;
  const Index position = wrong - values.span().begin();
  const std::string place = fmt::format("at row {}, column {} of {}", global_row(position / values.columns()),
                                        position % values.columns(), input.place());
  if (std::isnan(*wrong)) throw Error(fmt::format("Input {} contains NaN. {}", input.name, place));
  if (std::isinf(*wrong))
    throw Error(fmt::format("Input {} contains infinity or a value too large for {}. {}", input.name,
                            name_of(data_type_of<T>), place));
  throw Error(fmt::format("Negative values in data passed to {} (input {}): {} {}", input.estimator, input.name, *wrong,
                          place));
}

/// Collective. `values`: this rank's part, or all of it.
template <Scalar T>
void check_not_all_zero(const Communicator& comm, const InputArray& input, const Matrix<T>& values) {
  const bool any = std::any_of(values.span().begin(), values.span().end(), [](T value) { return value != 0; });
  if (comm.max<Index>(any ? 1 : 0) > 0) return;
  comm.agree([&] {
    throw Error(
        fmt::format("Array passed to {} (input {}) is full of zeros. {}", input.estimator, input.name, input.place()));
  });
}

/// Row of X that a rank's row of W belongs to.
Index global_row_of(const RowPartition& partition, int rank, Index local_row) {
  Index batch = 0;
  while (partition.local_begin(batch + 1, rank) <= local_row) ++batch;
  return partition.piece(batch, rank).begin + local_row - partition.local_begin(batch, rank);
}

template <Scalar T>
Matrix<T> transpose(const Matrix<T>& a) {
  Matrix<T> t(a.columns(), a.rows());
  for (Index i = 0; i < a.rows(); ++i)
    for (Index j = 0; j < a.columns(); ++j) t(j, i) = a(i, j);
  return t;
}

/// Collective. Finite, >= 0 and not all zero. by_partition: `values` are the rows of W that this rank owns, else all of
/// H.
template <Scalar T>
void check_values(const DataSource<T>& source, const InputArray& input, const Matrix<T>& values, bool by_partition) {
  const Communicator& comm = source.communicator();
  const auto global_row = [&](Index row) {
    return by_partition ? global_row_of(source.partition(), comm.rank(), row) : row;
  };
  comm.agree([&] { check_entries(input, values, global_row); });
  check_not_all_zero(comm, input, values);
}

}  // namespace

Index custom_components(const Communicator& comm, const std::string& file, const std::string& estimator,
                        Index n_features) {
  const Shape shape = find_array(comm, array_H(file, estimator, 0, n_features)).shape;
  comm.agree([&] { check_shape(array_H(file, estimator, shape.rows, n_features), shape); });
  return shape.rows;
}

template <Scalar T>
Factors<T> custom_factors(const DataSource<T>& source, Index n_components, const std::string& file,
                          const std::string& estimator) {
  const Communicator& comm = source.communicator();
  const auto [m, n] = source.shape();
  Factors<T> factors;

  const InputArray H = array_H(file, estimator, n_components, n);
  const DataType H_type = check_dataset(comm, H);
  {
    const Matrix<T> values = read_replicated_matrix<T>(comm, file, H.path());
    check_values(source, H, values, false);
    factors.Ht = transpose(values);
  }

  const InputArray W = array_W(file, estimator, n_components, m);
  const DataType W_type = check_dataset(comm, W);
  factors.W = read_local_rows<T>(comm, file, W.path(), source.partition());
  check_values(source, W, factors.W, true);

  comm.agree([&] {
    constexpr DataType X_type = data_type_of<T>;
    if (H_type != X_type || W_type != X_type)
      throw Error(
          fmt::format("H and W should have the same dtype as X. Got H.dtype = {} and W.dtype = {}. X is {}; convert /H "
                      "and /W of {}, or use --dtype",
                      name_of(H_type), name_of(W_type), name_of(X_type), file));
  });
  return factors;
}

template <Scalar T>
void check_factors(const DataSource<T>& source, Index n_components, const Factors<T>& factors,
                   const std::string& estimator) {
  const Communicator& comm = source.communicator();
  const auto [m, n] = source.shape();
  const InputArray H = array_H({}, estimator, n_components, n);
  comm.agree([&] { check_shape(H, {factors.Ht.columns(), factors.Ht.rows()}); });
  check_values(source, H, transpose(factors.Ht), false);

  const InputArray W = array_W({}, estimator, n_components, m);
  const Index rows = comm.sum(factors.W.rows());
  comm.agree([&] {
    check_shape(W, {rows, factors.W.columns()});
    if (factors.W.rows() != source.local_rows())
      throw Error(fmt::format("rank {} has {} rows of W (input W) for {} rows of X", comm.rank(), factors.W.rows(),
                              source.local_rows()));
  });
  check_values(source, W, factors.W, true);
}

template Factors<float> custom_factors(const DataSource<float>&, Index, const std::string&, const std::string&);
template Factors<double> custom_factors(const DataSource<double>&, Index, const std::string&, const std::string&);
template void check_factors(const DataSource<float>&, Index, const Factors<float>&, const std::string&);
template void check_factors(const DataSource<double>&, Index, const Factors<double>&, const std::string&);

}  // namespace scanmf
