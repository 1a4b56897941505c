#include <fmt/format.h>

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>

#include "app/import.hpp"
#include "app/input_reader.hpp"
#include "core/number_text.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::app {
namespace {

struct NpyHeader {
  hdf5::NumberType type = hdf5::NumberType::float64;
  bool half = false;     // float16 in the file; `type` is float32 then
  bool swapped = false;  // not this machine's byte order
  bool fortran = false;  // columns lie one after the other
  Shape shape;
  Index begin = 0;  // byte of the first element

  Index bytes() const { return half ? 2 : hdf5::size_of(type); }
};

/// The text behind 'key': in the header's Python dictionary.
std::string value_of(const std::string& dictionary, const std::string& key, const std::string& file) {
  const std::size_t at = dictionary.find("'" + key + "':");
  if (at == std::string::npos) throw Error(fmt::format("'{}' is no proper .npy file: its header has no '{}'", file, key));
  const std::size_t begin = dictionary.find_first_not_of(' ', at + key.size() + 3);
  return begin == std::string::npos ? "" : dictionary.substr(begin);
}

void parse_type(NpyHeader& header, const std::string& text, const std::string& file) {
  using enum hdf5::NumberType;
  static const std::vector<std::pair<const char*, hdf5::NumberType>> types = {{"f8", float64}, {"f4", float32}, {"f2", float32}, {"i1", int8},
                                                                              {"i2", int16},   {"i4", int32},   {"i8", int64},   {"u1", uint8},
                                                                              {"u2", uint16},  {"u4", uint32},  {"u8", uint64},  {"b1", uint8}};
  const std::string descr = text.size() > 5 && text[0] == '\'' ? text.substr(1, text.find('\'', 1) - 1) : text.substr(0, text.find('}'));
  for (const auto& [name, type] : types) {
    if (descr.size() != 3 || descr.substr(1) != name) continue;
    header.type = type;
    header.half = descr.substr(1) == "f2";
    header.swapped = (descr[0] == '>') == (std::endian::native == std::endian::little) && descr[0] != '|' && descr[0] != '=';
    return;
  }
  throw Error(fmt::format("'{}' holds elements of type {}: integers and real numbers only", file, descr));
}

void parse_shape(NpyHeader& header, const std::string& text, const std::string& file) {
  std::vector<Index> lengths;
  std::string inside = text.substr(std::min<std::size_t>(1, text.size()), text.find(')') - 1);
  for (std::size_t begin = 0; begin < inside.size();) {
    const std::size_t end = std::min(inside.find(',', begin), inside.size());
    std::string one = inside.substr(begin, end - begin);
    std::erase(one, ' ');
    if (const auto length = parse_index(one)) lengths.push_back(*length);
    begin = end + 1;
  }
  if (lengths.size() != 2)
    throw Error(fmt::format("'{}' holds an array of {} dimensions. Expected 2D array, got {}D array instead", file, lengths.size(), lengths.size()));
  header.shape = {lengths[0], lengths[1]};
}

NpyHeader read_header(InputReader& file) {
  std::array<unsigned char, 8> magic{};
  file.read_exactly(magic.data(), 8, "its header");
  if (std::memcmp(magic.data(), "\x93NUMPY", 6) != 0) throw Error(fmt::format("'{}' is not a .npy file", file.name()));
  const int version = magic[6];
  if (version < 1 || version > 3) throw Error(fmt::format("'{}' has version {} of the .npy format; 1 to 3 are known", file.name(), version));
  const Index length_bytes = version == 1 ? 2 : 4;
  std::array<unsigned char, 4> length{};
  file.read_exactly(length.data(), length_bytes, "its header");
  const Index size = Index{length[0]} | Index{length[1]} << 8 | Index{length[2]} << 16 | Index{length[3]} << 24;
  constexpr Index largest = Index{1} << 24;
  if (size > largest) throw Error(fmt::format("'{}' is no proper .npy file: a header of {} bytes", file.name(), size));
  std::string dictionary(static_cast<std::size_t>(size), ' ');
  file.read_exactly(dictionary.data(), size, "its header");
  NpyHeader header;
  parse_type(header, value_of(dictionary, "descr", file.name()), file.name());
  parse_shape(header, value_of(dictionary, "shape", file.name()), file.name());
  header.fortran = value_of(dictionary, "fortran_order", file.name()).starts_with("True");
  header.begin = 8 + length_bytes + size;
  return header;
}

/// IEEE 754 half precision to single.
float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000U) << 16U;
  const std::uint32_t exponent = (half >> 10U) & 0x1fU;
  const std::uint32_t fraction = half & 0x3ffU;
  if (exponent == 0) return (sign != 0 ? -1.0F : 1.0F) * static_cast<float>(fraction) * 0x1p-24F;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000U | fraction << 13U);
  return std::bit_cast<float>(sign | (exponent + 112U) << 23U | fraction << 13U);
}

/// Elements as they lie in the file become elements of header.type in this machine's byte order.
void decode(const NpyHeader& header, std::vector<char>& elements, Index count) {
  if (header.swapped) swap_bytes(elements.data(), count, header.bytes());
  if (!header.half) return;
  std::vector<char> wide(static_cast<std::size_t>(count) * sizeof(float));
  for (Index i = 0; i < count; ++i) {
    std::uint16_t half = 0;
    std::memcpy(&half, elements.data() + i * 2, 2);
    const float value = half_to_float(half);
    std::memcpy(wide.data() + i * 4, &value, 4);
  }
  elements = std::move(wide);
}

/// Rows [begin, begin + rows) of an array in Fortran order, as they would lie in C order.
void read_columns(InputReader& file, const NpyHeader& header, Index begin, Index rows, std::vector<char>& elements) {
  const Index bytes = header.bytes();
  std::vector<char> column(static_cast<std::size_t>(rows * bytes));
  for (Index j = 0; j < header.shape.columns; ++j) {
    file.seek(header.begin + (j * header.shape.rows + begin) * bytes);
    file.read_exactly(column.data(), rows * bytes, "its elements");
    for (Index i = 0; i < rows; ++i)
      std::memcpy(elements.data() + (i * header.shape.columns + j) * bytes, column.data() + i * bytes, static_cast<std::size_t>(bytes));
  }
}

}  // namespace

Imported import_npy(const std::string& name, data::MatrixFileWriter& out, std::optional<DataType> dtype) {
  InputReader file(name);
  const NpyHeader header = read_header(file);
  DenseSink sink(out, header.shape, header.type, dtype);
  for (Index begin = 0; begin < header.shape.rows; begin += sink.piece_rows()) {
    const Index rows = std::min(sink.piece_rows(), header.shape.rows - begin);
    const Index count = rows * header.shape.columns;
    std::vector<char> elements(static_cast<std::size_t>(count * header.bytes()));
    if (header.fortran) {
      read_columns(file, header, begin, rows, elements);
    } else {
      file.read_exactly(elements.data(), count * header.bytes(), "its elements");
    }
    decode(header, elements, count);
    sink.append(rows, elements.data());
  }
  return {header.shape, std::nullopt};
}

}  // namespace scanmf::app
