#include <fmt/format.h>

#include <algorithm>

#include "data/csc_to_csr.hpp"
#include "data/typed_rows.hpp"
#include "formats/dense_sink.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::formats {
namespace {

Imported import_dense(const MatrixDescription& description, data::MatrixFileWriter& out, const ImportOptions& options) {
  const data::TypedRows file(description);
  const Shape lines = description.shape_in_file();
  DenseSink sink(out, description.file + ":" + description.path, lines, file.type(), options);
  const Index step = file.rows_at_a_time(sink.piece_lines());
  for (Index begin = 0; begin < lines.rows; begin += step) {
    const Range rows{begin, std::min(begin + step, lines.rows)};
    sink.append(rows.size(), file.read(rows).data());
  }
  return {sink.shape(), std::nullopt};
}

Imported import_sparse(MatrixDescription description, data::MatrixFileWriter& out, const ImportOptions& options,
                       bool turned) {
  description.shape = description.shape_in_file();
  description.transposed = false;
  if (turned) {  // rows of the file are columns of X: the same three arrays
    std::swap(description.shape.rows, description.shape.columns);
    description.format = description.format == FileFormat::csr ? FileFormat::csc : FileFormat::csr;
  }
  const data::SparseWriting writing{options.memory, options.allow_missing};
  const DataType type = options.dtype.value_or(description.data_type);
  type == DataType::float32 ? data::write_as_csr<float>(description, writing, out)
                            : data::write_as_csr<double>(description, writing, out);
  return {description.shape, description.stored};
}

}  // namespace

Imported import_hdf5(const MatrixDescription& description, data::MatrixFileWriter& out, const ImportOptions& options) {
  const bool turned = options.transpose.value_or(description.transposed);
  const bool names = !options.row_names.empty() || !options.feature_names.empty();
  if (!turned && !names && !options.dtype && description.format != FileFormat::csc)
    throw Error(fmt::format("{}:{} is {} in HDF5 already: use it as it is (or say --transpose, --dtype or names)",
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
