#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "data/csc_to_csr.hpp"
#include "data/load.hpp"
#include "data/missing.hpp"
#include "data/typed_rows.hpp"
#include "formats/dense_sink.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::formats {
namespace {

/// Elements of some rows that stand for missing values become NaN, where that is allowed and their type has it.
template <class T>
void settle_missing(const MatrixDescription& matrix, Range rows, bool allowed, T* elements) {
  const Index columns = matrix.shape_in_file().columns;
  for (Index i = 0; i < rows.size() * columns; ++i) {
    if (!data::is_missing(matrix.missing, static_cast<double>(elements[i]))) continue;
    if constexpr (std::is_floating_point_v<T>) {
      elements[i] = std::numeric_limits<T>::quiet_NaN();
      if (allowed) continue;
    }
    throw Error(
        fmt::format("{} holds a missing value (by its _FillValue, missing_value or valid_range) in row {}, "
                    "column {} as stored; --allow-missing{} writes NaN",
                    data::place_of(matrix), rows.begin + i / columns, i % columns,
                    std::is_floating_point_v<T> ? "" : " with --dtype float64"));
  }
}

/// The columns that are X's, of rows as they are stored.
std::vector<char> only_columns(const MatrixDescription& matrix, Index rows, Index element_bytes,
                               const std::vector<char>& elements) {
  std::vector<char> kept;
  kept.reserve(static_cast<std::size_t>(rows * matrix.shape.columns * element_bytes));
  for (Index row = 0; row < rows; ++row)
    for (const Range& range : matrix.columns) {
      const auto line = elements.begin() + row * matrix.columns_in_file * element_bytes;
      kept.insert(kept.end(), line + range.begin * element_bytes, line + range.end * element_bytes);
    }
  return kept;
}

Imported import_dense(const MatrixDescription& description, data::MatrixFileWriter& out, const ImportOptions& options) {
  const data::TypedRows file(description);
  const bool marks = !description.missing.empty();  // looked for in the type that is written, which may have NaN
  const hdf5::NumberType type = marks ? stored_type(file.type(), options) : file.type();
  const Shape in_file = description.shape_in_file();
  const Shape lines = description.columns.empty() ? in_file : description.shape;
  DenseSink sink(out, data::place_of(description), lines, type, options);
  const Index step = file.rows_at_a_time(sink.piece_lines());
  for (Index begin = 0; begin < lines.rows; begin += step) {
    const Range rows{begin, std::min(begin + step, lines.rows)};
    std::vector<char> elements = file.read(rows);
    if (type != file.type()) elements = converted(file.type(), type, elements.data(), rows.size() * in_file.columns);
    if (marks)
      with_number(type, [&]<class T>() {
        settle_missing(description, rows, options.allow_missing, reinterpret_cast<T*>(elements.data()));
      });
    if (!description.columns.empty()) elements = only_columns(description, rows.size(), hdf5::size_of(type), elements);
    sink.append(rows.size(), elements.data());
  }
  return {sink.shape(), std::nullopt};
}

Imported import_sparse(MatrixDescription description, data::MatrixFileWriter& out, const ImportOptions& options,
                       bool turned) {
  data::SparseWriting writing{options.memory, options.allow_missing, {}};
  description.shape = description.shape_in_file();
  description.columns.swap(writing.columns);
  if (turned) {  // rows of the file are columns of X: the same three arrays
    std::swap(description.shape.rows, description.shape.columns);
    description.format = description.format == FileFormat::csr ? FileFormat::csc : FileFormat::csr;
  }
  const DataType type = options.dtype.value_or(description.data_type);
  const data::WrittenCsr written = type == DataType::float32 ? data::write_as_csr<float>(description, writing, out)
                                                             : data::write_as_csr<double>(description, writing, out);
  return {written.shape, written.stored};
}

}  // namespace

Imported import_hdf5(const MatrixDescription& description, data::MatrixFileWriter& out, const ImportOptions& options) {
  const bool turned = options.transpose.value_or(description.transposed);
  const bool names = !options.row_names.empty() || !options.feature_names.empty();
  const bool missing = options.allow_missing && !description.missing.empty();
  if (!turned && !names && !options.dtype && !missing && description.columns.empty() &&
      description.format != FileFormat::csc)
    throw Error(fmt::format(
        "{}:{} is {} in HDF5 already: use it as it is (or say --transpose, --feature-type, --dtype or names)",
        description.file, description.path, description.is_sparse() ? "CSR" : "dense"));
  ImportOptions settled = options;
  settled.transpose = turned;
  const Imported result = description.is_sparse() ? import_sparse(description, out, settled, turned)
                                                  : import_dense(description, out, settled);
  const bool swapped = turned != description.transposed;  // the description names what it takes for rows and columns
  write_names(out, result.shape, options, swapped ? description.feature_names : description.row_names,
              swapped ? description.row_names : description.feature_names);
  return result;
}

}  // namespace scanmf::formats
