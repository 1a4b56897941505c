#pragma once

#include "scanmf/data/matrix_file.hpp"

namespace scanmf::data {

class FileWatch;

/// Collective. load_matrix for each layout of the file, which is watched: the files in which elements lie are added,
/// and all are checked when everything has been read.
template <Scalar T>
std::unique_ptr<DataSource<T>> load_dense(const Communicator& comm, const MatrixDescription& description,
                                          const LoadOptions& options, FileWatch& watch);
template <Scalar T>
std::unique_ptr<DataSource<T>> load_csr(const Communicator& comm, const MatrixDescription& description,
                                        const LoadOptions& options, FileWatch& watch);
template <Scalar T>
std::unique_ptr<DataSource<T>> load_csc(const Communicator& comm, const MatrixDescription& description,
                                        const LoadOptions& options, FileWatch& watch);

/// Dense X whose transpose the file holds.
template <Scalar T>
std::unique_ptr<DataSource<T>> load_transposed(const Communicator& comm, const MatrixDescription& description,
                                               const LoadOptions& options, FileWatch& watch);

/// Sparse matrices: the same one, described without transposition: CSR of the transpose is CSC of X, and the reverse.
/// Throws Error where columns are selected from what is not CSR then.
MatrixDescription without_transposition(const MatrixDescription& description);

/// Throws scikit-learn's message when there are no rows or no columns.
void check_not_empty(const Shape& shape, const std::string& estimator, const std::string& place);

/// True for sparse X, with so many elements stored, that is held dense.
inline bool held_dense(const Shape& shape, Index stored, const LoadOptions& options) {
  constexpr double tiny = 1 << 20;  // elements: nothing to gain
  const double elements = static_cast<double>(shape.rows) * static_cast<double>(shape.columns);
  return elements >= tiny && static_cast<double>(stored) >= options.dense_from * elements;
}
/// Non-zeros of sparse X: where it has some columns of the file only, as many as if each had the same number.
inline Index expected_stored(const MatrixDescription& description) {
  if (description.columns.empty()) return description.stored;
  return static_cast<Index>(static_cast<double>(description.stored) * static_cast<double>(description.shape.columns) /
                            static_cast<double>(description.columns_in_file));
}
inline bool held_dense(const MatrixDescription& description, const LoadOptions& options) {
  return description.kind() == StorageKind::csr && held_dense(description.shape, expected_stored(description), options);
}

/// "FILE:/path", or "FILE" for a .npy file, for messages.
inline std::string place_of(const MatrixDescription& description) {
  return description.path.empty() ? description.file : description.file + ":" + description.path;
}

}  // namespace scanmf::data
