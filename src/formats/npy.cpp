#include "formats/npy.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "formats/dense_sink.hpp"
#include "formats/npy_array.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::formats {

Imported import_npy_array(InputReader& file, data::MatrixFileWriter& out, const ImportOptions& options) {
  const NpyHeader header = read_npy_header(file);
  if (header.dimensions.size() != 2)
    throw Error(fmt::format("'{}' holds an array of {} dimensions. Expected 2D array, got {}D array instead",
                            file.name(), header.dimensions.size(), header.dimensions.size()));
  NpyElements elements(file, header);
  Shape lines{header.dimensions[0], header.dimensions[1]};
  if (header.fortran) std::swap(lines.rows, lines.columns);
  DenseSink sink(out, file.name(), lines, elements.type(), options,
                 header.fortran ? LinesAre::columns : LinesAre::rows);
  for (Index begin = 0; begin < lines.rows; begin += sink.piece_lines()) {
    const Index count = std::min(sink.piece_lines(), lines.rows - begin);
    sink.append(count, elements.read(count * lines.columns).data());
  }
  write_names(out, sink.shape(), options, {}, {});
  return {sink.shape(), std::nullopt};
}

Imported import_npy(const std::string& name, data::MatrixFileWriter& out, const ImportOptions& options) {
  InputReader file(name);
  return import_npy_array(file, out, options);
}

}  // namespace scanmf::formats
