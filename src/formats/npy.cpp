#include "formats/npy.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "formats/dense_sink.hpp"
#include "formats/npy_array.hpp"
#include "scanmf/core/log.hpp"

namespace scanmf::formats {

Imported import_npy_array(InputReader& file, data::MatrixFileWriter& out, const ImportOptions& options) {
  const NpyHeader header = read_npy_header(file);
  NpyElements elements(file, header);
  Shape lines = data::npy_shape(header, file.name());
  if (header.fortran) std::swap(lines.rows, lines.columns);
  DenseSink sink(out, file.name(), lines, elements.type(), options,
                 header.fortran ? LinesAre::columns : LinesAre::rows);
  for (Index begin = 0; begin < lines.rows; begin += sink.piece_lines()) {
    const Index count = std::min(sink.piece_lines(), lines.rows - begin);
    sink.append(count, elements.read(count * lines.columns).data());
  }
  if (char next = 0; file.read(&next, 1) > 0)
    log_warning(fmt::format("'{}' goes on behind its first array, which is X: the rest is left out", file.name()));
  write_names(out, sink.shape(), options, {}, {});
  return {sink.shape(), std::nullopt};
}

Imported import_npy(const std::string& name, data::MatrixFileWriter& out, const ImportOptions& options) {
  InputReader file(name);
  return import_npy_array(file, out, options);
}

}  // namespace scanmf::formats
