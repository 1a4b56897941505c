#pragma once

#include "formats/formats.hpp"
#include "formats/input_reader.hpp"

namespace scanmf::formats {

/// One 2-D array, in a file of its own or in an archive.
Imported import_npy_array(InputReader& file, data::MatrixFileWriter& out, const ImportOptions& options);

}  // namespace scanmf::formats
