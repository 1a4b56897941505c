#include <fmt/format.h>

#include <array>
#include <cstdint>

#include "core/checked.hpp"
#include "formats/dense_sink.hpp"
#include "formats/input_reader.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::formats {
namespace {

struct IdxHeader {
  hdf5::NumberType type = hdf5::NumberType::uint8;
  Index images = 0;
  Index pixels = 1;
};

/// Two zero bytes, the code of the element type, the number of dimensions, and each dimension as a big-endian 32-bit
/// number.
IdxHeader read_idx_header(InputReader& file) {
  std::array<unsigned char, 4> magic{};
  file.read_exactly(magic.data(), 4, "its header");
  IdxHeader header;
  switch (magic[2]) {
    case 0x08:
      header.type = hdf5::NumberType::uint8;
      break;
    case 0x09:
      header.type = hdf5::NumberType::int8;
      break;
    case 0x0B:
      header.type = hdf5::NumberType::int16;
      break;
    case 0x0C:
      header.type = hdf5::NumberType::int32;
      break;
    case 0x0D:
      header.type = hdf5::NumberType::float32;
      break;
    case 0x0E:
      header.type = hdf5::NumberType::float64;
      break;
    default:
      throw Error(fmt::format("'{}' is not an IDX file: its element type {:#04x} is unknown", file.name(), magic[2]));
  }
  if (magic[0] != 0 || magic[1] != 0) throw Error(fmt::format("'{}' is not an IDX file", file.name()));
  if (magic[3] < 2)
    throw Error(fmt::format("'{}' holds a {}-D array (labels?). Expected 2D array or images", file.name(), magic[3]));
  std::optional<Index> pixels = 1;
  for (int d = 0; d < magic[3]; ++d) {
    std::array<unsigned char, 4> length{};
    file.read_exactly(length.data(), 4, "its header");
    const Index value = Index{length[0]} << 24 | Index{length[1]} << 16 | Index{length[2]} << 8 | Index{length[3]};
    if (d == 0) header.images = value;
    if (d > 0 && pixels) pixels = checked_product({*pixels, value});
  }
  header.pixels = pixels.value_or(0);
  const auto bytes = pixels ? checked_product({header.images, *pixels, hdf5::size_of(header.type)}) : pixels;
  if (!file.could_hold(bytes))
    throw Error(fmt::format("'{}' states more images than it can hold: the file is cut short", file.name()));
  return header;
}

}  // namespace

Imported import_idx(const std::vector<std::string>& files, data::MatrixFileWriter& out, const ImportOptions& options) {
  Shape shape;
  IdxHeader first;
  for (const std::string& name : files) {
    InputReader file(name);
    const IdxHeader header = read_idx_header(file);
    if (name == files.front()) first = header;
    if (header.pixels != first.pixels || header.type != first.type)
      throw Error(fmt::format("'{}' has images of {} elements of another kind than '{}' ({} elements)", name,
                              header.pixels, files.front(), first.pixels));
    shape = {shape.rows + header.images, header.pixels};
  }
  DenseSink sink(out, files.front(), shape, first.type, options);
  const Index bytes = hdf5::size_of(first.type);
  std::vector<char> piece(static_cast<std::size_t>(sink.piece_lines() * shape.columns * bytes));
  for (const std::string& name : files) {
    InputReader file(name);
    const Index images = read_idx_header(file).images;
    for (Index begin = 0; begin < images; begin += sink.piece_lines()) {
      const Index rows = std::min(sink.piece_lines(), images - begin);
      file.read_exactly(piece.data(), rows * shape.columns * bytes, "its images");
      swap_bytes(piece.data(), bytes > 1 ? rows * shape.columns : 0, bytes);
      sink.append(rows, piece.data());
    }
  }
  write_names(out, sink.shape(), options, {}, {});
  return {sink.shape(), std::nullopt};
}

}  // namespace scanmf::formats
