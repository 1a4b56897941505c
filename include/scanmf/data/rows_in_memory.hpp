#pragma once

#include "scanmf/data/matrix_file.hpp"

namespace scanmf {

/// Types of elements in somebody else's memory.
enum class ElementType { int8, int16, int32, int64, uint8, uint16, uint32, uint64, float16, float32, float64 };

/// Bytes of one element.
Index size_of(ElementType type);

/// Rows of X as they lie in the caller's memory, in any order and of any type: element (i, j) is row_stride · i +
/// column_stride · j bytes behind `data`. Strides may be negative, and 0.
struct DenseRows {
  const void* data = nullptr;
  ElementType type = ElementType::float64;
  Index rows = 0;
  Index columns = 0;
  Index row_stride = 0;
  Index column_stride = 0;
};

/// Rows of X as three arrays of scipy.sparse: CSR, or CSC (by_columns). Unsorted and repeated indices, and zeros, are
/// allowed.
struct SparseRows {
  bool by_columns = false;
  Index rows = 0;
  Index columns = 0;
  Index stored = 0;                             // elements of `values` and `indices`
  ElementType type = ElementType::float64;      // of `values`
  ElementType index_type = ElementType::int32;  // of `indices` and `bounds`: int32 or int64
  const void* values = nullptr;
  const void* indices = nullptr;
  const void* bounds = nullptr;  // rows + 1 (CSC: columns + 1) positions
};

/// Collective. X from rows in memory: rank r gives its rows, any number, ranks in order. They are converted to T and
/// packed straight from where they lie, exchanged between ranks where tiles are another's, and not needed afterwards.
/// The same tiles, and therefore the same bits, as X of a file. Ranks without rows may say 0 columns. Errors: different
/// numbers of columns, 0 rows or columns, indices out of range, and as of load_matrix.
template <Scalar T>
std::unique_ptr<DataSource<T>> source_from_rows(const Communicator& comm, DenseRows local_rows,
                                                const LoadOptions& options = {});
template <Scalar T>
std::unique_ptr<DataSource<T>> source_from_rows(const Communicator& comm, SparseRows local_rows,
                                                const LoadOptions& options = {});

/// Collective. What tells X of rows in memory from other data, as matrix_fingerprint does for files: a sum over all of
/// its elements that are not 0, each with its place in X, as doubles. The same however the rows are split over ranks,
/// whatever their strides and type, dense or sparse in any order; elements that a sparse matrix has twice count one by
/// one, not as their sum. The rows must have made a source before.
std::string rows_fingerprint(const Communicator& comm, const DenseRows& local_rows);
std::string rows_fingerprint(const Communicator& comm, const SparseRows& local_rows);

}  // namespace scanmf
