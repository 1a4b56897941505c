#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "data/csc_to_csr.hpp"
#include "data/judged_array.hpp"
#include "data/load.hpp"
#include "data/typed_rows.hpp"
#include "formats/dense_sink.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::formats {
namespace {

/// The column of the file that is column `column` of those that are written.
Index column_in_file(const MatrixDescription& matrix, Index column) {
  for (const Range& range : matrix.columns) {
    if (column < range.size()) return range.begin + column;
    column -= range.size();
  }
  return column;
}

/// Numbers of those elements, of rows from `first` on, that stand for missing values; `written` may have them as NaN.
/// Throws Error for one that may not be written.
std::vector<Index> missing_among(const MatrixDescription& matrix, Index first, Index columns, hdf5::NumberType type,
                                 hdf5::NumberType written, bool allowed, const std::vector<char>& elements) {
  using enum hdf5::NumberType;
  const data::Judgement judgement(matrix);
  const bool has_nan = written == float32 || written == float64;
  std::vector<Index> missing;
  with_number(type, [&]<class T>() {
    const auto count = static_cast<Index>(elements.size() / sizeof(T));
    for (Index i = 0; i < count; ++i) {
      T element{};
      std::memcpy(&element, elements.data() + i * static_cast<Index>(sizeof(T)), sizeof element);
      const auto flaw = judgement.flaw_of(static_cast<double>(element));
      if (!flaw) continue;
      missing.push_back(i);
      const bool no_number = *flaw == data::Flaw::no_boolean;
      if (!no_number && allowed && has_nan) continue;
      throw Error(fmt::format("{} holds {} (row {}, column {} as stored{}", data::place_of(matrix),
                              data::name_of(*flaw), first + i / columns, column_in_file(matrix, i % columns),
                              no_number ? ")"
                              : has_nan ? "; --allow-missing writes NaN)"
                                        : "; --allow-missing with --dtype float64 writes NaN)"));
    }
  });
  return missing;
}

void set_missing(hdf5::NumberType type, const std::vector<Index>& missing, std::vector<char>& elements) {
  with_number(type, [&]<class T>() {
    const T none = std::numeric_limits<T>::quiet_NaN();
    for (const Index i : missing) std::memcpy(elements.data() + i * static_cast<Index>(sizeof(T)), &none, sizeof none);
  });
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
  const bool marks = data::Judgement(description).needed();
  const hdf5::NumberType type = marks ? stored_type(file.type(), options) : file.type();
  const Shape in_file = description.shape_in_file();
  const Shape lines = description.columns.empty() ? in_file : description.shape;
  DenseSink sink(out, data::place_of(description), lines, type, options);
  const Index step = file.rows_at_a_time(sink.piece_lines());
  for (Index begin = 0; begin < lines.rows; begin += step) {
    const Range rows{begin, std::min(begin + step, lines.rows)};
    std::vector<char> elements = file.read(rows);
    if (!description.columns.empty())
      elements = only_columns(description, rows.size(), hdf5::size_of(file.type()), elements);
    std::vector<Index> missing;
    if (marks)
      missing = missing_among(description, begin, lines.columns, file.type(), type, options.allow_missing, elements);
    if (type != file.type()) elements = converted(file.type(), type, elements.data(), rows.size() * lines.columns);
    set_missing(type, missing, elements);
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
        "{}:{} is {} in HDF5 already: use it as it is (or say --transpose, --feature-type, --dtype or names{})",
        description.file, description.path, description.is_sparse() ? "CSR" : "dense",
        description.missing.empty() ? "" : ", or --allow-missing, which writes its missing values as NaN"));
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
