#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "scanmf/linalg/matrix.hpp"
#include "scanmf/parallel/communicator.hpp"
#include "scanmf/parallel/row_partition.hpp"

namespace scanmf {

using Attribute = std::variant<bool, Index, double, std::string>;
using Attributes = std::vector<std::pair<std::string, Attribute>>;
/// The attribute of this name; null when there is none.
const Attribute* find_attribute(const Attributes& attributes, std::string_view name);
/// An attribute's value as text, as Parameters::set takes it.
std::string text_of(const Attribute& value);

/// Value of the root attribute `format`, and the version that this program writes and reads.
constexpr const char* model_format_name = "scanmf-model";
constexpr Index model_format_version = 1;
/// Root attribute `schema_release`: what a version has gained since it was first written, which readers of any release
/// can do without.
///   1    no such attribute; strings of variable length
///   2    strings of fixed length
///   3    parameters acceleration, missing, missing_empty
///   4    parameter strata
constexpr Index model_schema_release = 4;

/// Everything of a model but its large arrays; replicated.
struct ModelHeader {
  Index schema_release = model_schema_release;
  std::string estimator = "nmf";  // "nmf" or "minibatch-nmf"
  DataType dtype = DataType::float64;
  Index n_components = 0;
  Index n_features_in = 0;
  Index n_samples = 0;
  Index n_iter = 0;
  std::optional<Index> n_steps;   // minibatch-nmf
  double reconstruction_err = 0;  // NaN when not known (partial-fit)
  bool converged = false;
  Attributes params;  // by scikit-learn's names, as used
  std::vector<std::string> feature_names;
  std::vector<std::string> obs_names;
  std::vector<std::pair<std::string, std::vector<double>>> history;  // one entry an iteration each
  Attributes state;                                                  // counters and numbers of /state
  Attributes provenance;
};

/// A row-major array that ranks write together: this rank has rows [rows.begin, rows.end) of a total_rows × columns
/// dataset.
template <Scalar T>
struct ArraySlice {
  std::string path;  // "/state/A"
  Index total_rows = 0;
  Range rows;
  MatrixView<const T> values;
};

/// The large arrays of a model as they are distributed.
template <Scalar T>
struct ModelArrays {
  const Matrix<T>* Ht = nullptr;            // n × k, replicated; written as /H, k × n
  const Matrix<T>* W = nullptr;             // local rows in the order of `partition`; nullptr: no /W
  const RowPartition* partition = nullptr;  // with W
  std::vector<ArraySlice<T>> state;         // accumulators of a mini-batch model
};

/// Collective. Writes a model file, whole or not at all: beside the target, checksums, fsync, rename, fsync of the
/// folder. keep_previous: an existing target becomes target + ".prev" (checkpoints). look, collective, sees the whole
/// file before the rename, under another name. Throws AgreedError with the reason (no space, no permission, …), or what
/// look does, the target then being what it was.
template <Scalar T>
void write_model(const Communicator& comm, const std::string& target, const ModelHeader& header,
                 const ModelArrays<T>& arrays, bool keep_previous = false,
                 const std::function<void(const std::string& file)>& look = {});

/// Collective. The header of a model file, or of any HDF5 file with a dataset /H (then `estimator` is empty). Every
/// byte of a file with checksums is compared with them before HDF5 sees it; the shapes, types and ranges of everything
/// in it are checked (model/schema.hpp) before any of its arrays is read. Throws the same AgreedError on every rank,
/// with file, path, what was expected and what was found; another format version with both named.
ModelHeader read_model_header(const Communicator& comm, const std::string& file);

/// Collective. Ht (n × k), replicated, from /H (k × n), converted to T.
template <Scalar T>
Matrix<T> read_model_Ht(const Communicator& comm, const std::string& file);

/// Collective. This rank's rows of /W in the order of `partition`.
template <Scalar T>
Matrix<T> read_model_W(const Communicator& comm, const std::string& file, const RowPartition& partition);

/// Collective. Rows [rows.begin, rows.end) of a state array that must have the shape `expected`.
template <Scalar T>
Matrix<T> read_model_slice(const Communicator& comm, const std::string& file, const std::string& path,
                           const Shape& expected, Range rows);

/// Collective. True when every stored checksum of the file matches its contents (and there is one for each dataset);
/// the reason otherwise.
std::optional<std::string> find_damage(const Communicator& comm, const std::string& file);

/// A 2-D dataset that ranks write row by row, of a file that appears whole or not at all: results of transform and
/// inverse-transform.
template <Scalar T>
class MatrixWriter {
 public:
  /// Collective. names: written as obs/_index and var/_index when not empty.
  MatrixWriter(const Communicator& comm, const std::string& target, const std::string& dataset, const Shape& shape,
               const std::vector<std::string>& row_names, const std::vector<std::string>& column_names,
               const Attributes& attributes);
  ~MatrixWriter();
  MatrixWriter(const MatrixWriter&) = delete;
  MatrixWriter& operator=(const MatrixWriter&) = delete;
  /// Local. Rows [first_row, first_row + rows.rows).
  void write_rows(Index first_row, MatrixView<const T> rows);
  /// Collective. The file appears under its name. Without it (an exception) nothing remains.
  void commit();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace scanmf
