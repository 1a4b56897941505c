#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "scanmf/data/data_source.hpp"

namespace scanmf {

/// How the matrix lies in its file.
enum class FileFormat {
  dense,  // a 2-D dataset of HDF5
  csr,    // sparse groups of HDF5
  csc,
  npy,  // an array of numpy.save; rows one after the other (those in Fortran order hold the transpose)
};

/// The datasets of a sparse matrix. Programs have names of their own for them: data, indices, indptr; data, ir, jc; …
struct SparseParts {
  std::string values;
  std::string indices;
  std::string indptr;
};

/// What a file says of the matrix in it; nothing of X itself has been read.
struct MatrixDescription {
  std::string file;  // as given, without the path in the file
  std::string path;  // of the dataset or group, for example /X; empty: the file is the matrix (.npy)
  FileFormat format = FileFormat::dense;
  SparseParts parts = {};      // paths in the file, of sparse formats
  Shape shape;                 // of X: samples × features
  bool transposed = false;     // the file holds the transpose of X
  std::vector<Range> columns;  // of the matrix in the file, those that are X's features, ascending; empty: all
  Index columns_in_file = 0;   // where only some are X's: how many there are
  Index stored = 0;            // elements in the file: rows × columns, or non-zeros
  std::string element_type;    // of the file, for people: "float32", "uint8", "int64 (big-endian)", …
  bool booleans = false;       // elements are 0 and 1 only
  DataType data_type = DataType::float64;  // float32 and float64 are kept, every other type becomes float64
  std::vector<double> missing = {};        // marks of missing values, in pairs as data/missing.hpp says
  std::string layout;                      // for people: "contiguous", "chunks of 256 x 784, gzip", …
  std::vector<std::string> feature_names;  // empty, or one a column
  std::vector<std::string> row_names;      // empty, or one a row
  bool is_sparse() const { return format == FileFormat::csr || format == FileFormat::csc; }
  StorageKind kind() const { return is_sparse() ? StorageKind::csr : StorageKind::dense; }
  /// Rows and columns of the matrix as it lies in the file.
  Shape shape_in_file() const {
    if (transposed) return {shape.columns, shape.rows};
    return {shape.rows, columns.empty() ? shape.columns : columns_in_file};
  }
};

/// What the user says of the input.
struct InputOptions {
  std::vector<std::string> preferred = {};  // names of datasets that are tried before /X ("W" for inverse-transform)
  std::optional<bool> transpose = {};       // X is the transpose of what the file holds; nullopt: as the file says
  std::string feature_type = {};            // the columns of X are the features of this type; empty: all
};

/// Collective. Finds the matrix that `input` ("FILE" or "FILE:/path/in/file") names: the path if given, else /X, else
/// the only matrix of the file: 2-D datasets, sparse groups of AnnData, h5sparse, 10x Genomics, Seurat, and what
/// MATLAB, Octave, loom, pandas and R's HDF5Array write. Programs that store columns first and say so are read as they
/// mean it. Logs what it took X for where that is not plain, and warns of names that cannot be read. Errors: no such
/// file, not HDF5, no or several candidates (listed), not 2-D, not numbers, 0 rows or columns, inconsistent sparse
/// arrays, packed values of netCDF. `estimator` names the class in scikit-learn's messages.
MatrixDescription describe_matrix(const Communicator& comm, const std::string& input, const std::string& estimator,
                                  const InputOptions& options = {});

/// A matrix of a file that holds several.
struct ListedMatrix {
  std::string path;
  std::string writer = {};  // "MATLAB", "loom", …; empty: nothing special
  Shape shape = {};         // as it would be read
  bool sparse = false;
  bool transposed = false;  // what is stored is the transpose
  std::string element_type = {};
  bool integers = false;       // the first elements are whole numbers, as far as that can be told cheaply
  std::string hindrance = {};  // why it cannot be read; empty: nothing is known against it
};

/// Local. All matrices of a file, as far as it can be looked through (ten thousand objects).
std::vector<ListedMatrix> list_matrices(const std::string& file);

/// Collective. Whether the first elements of a matrix are whole numbers; nullopt where that cannot be told cheaply:
/// there are none, reading them inflates more than 16 MB, or they cannot be read.
std::optional<bool> begins_with_whole_numbers(const Communicator& comm, const MatrixDescription& description);

/// Collective. A cheap identity of a matrix: shape, type, number of stored elements and a checksum of elements sampled
/// all over the file.
std::string matrix_fingerprint(const Communicator& comm, const MatrixDescription& description);

struct LoadOptions {
  Index batch_rows = 0;                 // rows of a batch; 0: all rows are one batch
  bool check_sign = true;               // refuse negative values
  Observed observed = Observed::all;    // not_nan: NaN is not refused
  std::string estimator = "NMF";        // for messages
  Index piece_bytes = Index{64} << 20;  // memory that reading takes beside X itself
  double dense_from = 2;  // sparse X is held dense from this share of non-zeros on, if that fits; above 1: never
  Index strata = 0;       // of a pass (tiling_for); 0: by X
  StorageKind sparse_tiles = StorageKind::csr;  // how sparse rows are cut: dense, where they become dense later
  std::optional<Index> memory = {};             // open_source: the most bytes of X that a rank holds; nullopt: no limit
};

/// Collective. Reads X into memory: each rank its own rows, validated (finite, >= 0; the message names row and column,
/// both counted from 0, of the first offender) and packed on the way. Sparse formats become CSR with ascending unique
/// columns, duplicates summed, explicit zeros dropped; or dense rows, where options.dense_from says so and the matrix
/// is not tiny.
template <Scalar T>
std::unique_ptr<DataSource<T>> load_matrix(const Communicator& comm, const MatrixDescription& description,
                                           const LoadOptions& options = {});

/// Collective. X in memory when every rank's share fits options.memory, else streamed from the file in each pass, by
/// threads that read ahead. Streaming reads the file once to validate it. Blocks are cut into the same tiles either
/// way, so results are the same to the bit. Errors: as of load_matrix; CSC that does not fit. Logs a warning when the
/// file's chunks are higher than the blocks that fit, so that they are inflated several times in each pass, or do not
/// fit themselves.
template <Scalar T>
std::unique_ptr<DataSource<T>> open_source(const Communicator& comm, const MatrixDescription& description,
                                           const LoadOptions& options = {});

/// Bytes that the fullest of `ranks` ranks needs for X in memory (sparse X: if its elements can be shared out evenly).
Index bytes_in_memory(const MatrixDescription& description, DataType type, int ranks);

/// Collective. The same source from rows already in memory: rank r gives its rows, any number, ranks in order. They are
/// copied, and exchanged so that tiles are global.
template <Scalar T>
std::unique_ptr<DataSource<T>> source_from_rows(const Communicator& comm, MatrixView<const T> local_rows,
                                                const LoadOptions& options = {});

/// Collective. A matrix with a row for each row of X, say W: from the ranks that have given the rows to
/// source_from_rows to those that own them in its partition, and back. given_rows: how many this rank has given.
template <Scalar T>
Matrix<T> owned_from_given(const Communicator& comm, MatrixView<const T> given, const RowPartition& partition);
template <Scalar T>
Matrix<T> given_from_owned(const Communicator& comm, const Matrix<T>& owned, const RowPartition& partition,
                           Index given_rows);

/// Collective. Reads dataset `path` of `file`, replicated on every rank, any real type converted to T. For custom H and
/// models.
template <Scalar T>
Matrix<T> read_replicated_matrix(const Communicator& comm, const std::string& file, const std::string& path);

/// Collective. Reads the rows of dataset `path` that `partition` gives this rank, in the order of its W. For custom W.
template <Scalar T>
Matrix<T> read_local_rows(const Communicator& comm, const std::string& file, const std::string& path,
                          const RowPartition& partition);

/// Collective. Shape and element type of a dataset, nullopt when the file has none of that name.
struct DatasetInfo {
  std::vector<Index> dimensions;
  DataType data_type;
};
std::optional<DatasetInfo> dataset_info(const Communicator& comm, const std::string& file, const std::string& path);

}  // namespace scanmf
