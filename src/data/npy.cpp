#include "data/npy.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <filesystem>
#include <limits>
#include <optional>
#include <string_view>
#include <vector>

#include "core/checked.hpp"
#include "core/number_text.hpp"
#include "core/printable.hpp"
#include "io/posix_file.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/log.hpp"

namespace scanmf::data {
namespace {

constexpr std::string_view magic = "\x93NUMPY";

[[noreturn]] void refuse(const std::string& name, const std::string& reason) {
  throw Error(fmt::format("'{}' is no proper .npy file: {}", name, reason));
}

/// The text behind 'key': in the header's Python dictionary.
std::string_view value_of(std::string_view dictionary, const std::string& key, const std::string& name) {
  const std::size_t at = dictionary.find("'" + key + "':");
  const std::size_t begin = at == std::string_view::npos ? at : dictionary.find_first_not_of(' ', at + key.size() + 3);
  if (begin == std::string_view::npos) refuse(name, fmt::format("its header has no '{}'", key));
  return dictionary.substr(begin);
}

/// What elements are that are not numbers, for people.
std::string other_elements(std::string_view descr) {
  if (descr.empty() || descr.front() == '[') return "a structured array, records with fields";
  switch (descr.size() > 1 ? descr[1] : ' ') {
    case 'O':
      return "Python objects";
    case 'c':
      return "complex numbers";
    case 'U':
    case 'S':
    case 'a':
      return "strings";
    case 'M':
    case 'm':
      return "dates or times";
    default:
      return fmt::format("elements of type {}", printable(descr));
  }
}

/// '<f8' without its quotes; nothing of records with fields.
std::string parse_descr(std::string_view text, const std::string& name) {
  if (text.starts_with('[')) return "";
  const std::size_t end = text.starts_with('\'') ? text.find('\'', 1) : std::string_view::npos;
  if (end == std::string_view::npos) refuse(name, "its header does not say of what type its elements are");
  return std::string(text.substr(1, end - 1));
}

std::vector<Index> parse_lengths(std::string_view text, const std::string& name) {
  const std::size_t close = text.find(')');
  if (!text.starts_with('(') || close == std::string_view::npos) refuse(name, "the shape in its header cannot be read");
  std::vector<Index> lengths;
  std::string_view inside = text.substr(1, close - 1);
  while (!inside.empty() && inside.back() == ' ') inside.remove_suffix(1);
  for (std::size_t begin = 0; begin < inside.size();) {
    const std::size_t end = std::min(inside.find(',', begin), inside.size());
    std::string_view one = inside.substr(begin, end - begin);
    while (one.starts_with(' ')) one.remove_prefix(1);
    while (one.ends_with(' ') || one.ends_with('L')) one.remove_suffix(1);  // L: Python 2
    const std::optional<Index> length = parse_index(one);
    if (!length || *length < 0) refuse(name, fmt::format("its header gives a length of '{}'", printable(one)));
    lengths.push_back(*length);
    begin = end + 1;
  }
  return lengths;
}

}  // namespace

NpyHeader read_npy_header(const std::string& name, const std::function<void(void*, Index)>& read_exactly) {
  std::array<unsigned char, 8> head{};
  read_exactly(head.data(), 8);
  if (std::memcmp(head.data(), magic.data(), magic.size()) != 0)
    throw Error(fmt::format("'{}' is not a .npy file", name));
  const int version = head[6];
  if (version < 1 || version > 3)
    throw Error(fmt::format("'{}' has version {} of the .npy format; 1 to 3 are known", name, version));
  const Index length_bytes = version == 1 ? 2 : 4;
  std::array<unsigned char, 4> length{};
  read_exactly(length.data(), length_bytes);
  const Index size = Index{length[0]} | Index{length[1]} << 8 | Index{length[2]} << 16 | Index{length[3]} << 24;
  constexpr Index largest = Index{1} << 24;
  if (size > largest) refuse(name, fmt::format("a header of {} bytes", size));
  std::string dictionary(static_cast<std::size_t>(size), ' ');
  read_exactly(dictionary.data(), size);
  NpyHeader header;
  header.descr = parse_descr(value_of(dictionary, "descr", name), name);
  header.dimensions = parse_lengths(value_of(dictionary, "shape", name), name);
  const std::string_view order = value_of(dictionary, "fortran_order", name);
  header.fortran = order.starts_with("True");
  if (!header.fortran && !order.starts_with("False"))
    refuse(name, "its header does not say in which order the elements lie");
  constexpr Index widest = 16;  // bytes of an element, at most
  std::optional<Index> elements = 1;
  for (const Index one : header.dimensions) elements = elements ? checked_product({*elements, one}) : elements;
  if (!elements || !checked_product({*elements, widest}))
    throw Error(fmt::format("'{}' declares a shape of {}, which is more than any file can hold", name,
                            fmt::join(header.dimensions, " x ")));
  header.elements = *elements;
  header.begin = 8 + length_bytes + size;
  return header;
}

NpyType npy_type(const NpyHeader& header, const std::string& name) {
  using Kind = io::RawType::Kind;
  const std::string_view descr = header.descr;
  const std::optional<Index> bytes = descr.size() > 2 ? parse_index(descr.substr(2)) : std::nullopt;
  const char kind = bytes ? descr[1] : ' ';
  const bool integer = (kind == 'i' || kind == 'u') && (bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8);
  const bool boolean = kind == 'b' && bytes == 1;
  const bool real = kind == 'f' && (bytes == 2 || bytes == 4 || bytes == 8 || bytes == 16);
  if (!integer && !boolean && !real)
    throw Error(fmt::format("'{}' holds {}: integers and real numbers only", name, other_elements(descr)));
  const bool big = descr[0] == '>' || (descr[0] == '=' && std::endian::native == std::endian::big);
  NpyType type;
  type.raw = {real          ? Kind::floating
              : kind == 'i' ? Kind::signed_integer
                            : Kind::unsigned_integer,
              *bytes, *bytes > 1 && descr[0] != '|' && big != (std::endian::native == std::endian::big)};
  if (*bytes == 16 && (type.raw.swapped || std::numeric_limits<long double>::digits != 64 || sizeof(long double) != 16))
    throw Error(
        fmt::format("'{}' holds numbers of 16 bytes in another form than this machine's: save them as float64", name));
  const char* const base = real ? "float" : kind == 'i' ? "int" : "uint";
  type.booleans = boolean;
  type.name = boolean ? "bool" : fmt::format("{}{}{}", base, 8 * *bytes, big && *bytes > 1 ? " (big-endian)" : "");
  return type;
}

Shape npy_shape(const NpyHeader& header, const std::string& name) {
  const std::vector<Index>& lengths = header.dimensions;
  if (lengths.size() != 2)
    throw Error(fmt::format("'{}' holds an array of {} dimensions. Expected 2D array, got {}D array instead", name,
                            lengths.size(), lengths.size()));
  return {lengths[0], lengths[1]};
}

bool is_npy(const std::string& file) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(file, error)) return false;  // a pipe would be waited for
  try {
    const io::PosixFile opened = io::PosixFile::open_for_reading(file);
    std::array<char, magic.size()> head{};
    if (opened.size() < static_cast<Index>(magic.size())) return false;
    opened.read(0, std::as_writable_bytes(std::span<char>(head)));
    return std::string_view(head.data(), head.size()) == magic;
  } catch (const Error&) {  // whoever opens it next says why
    return false;
  }
}

NpyMatrix read_npy_matrix(const std::string& file) {
  const io::PosixFile opened = io::PosixFile::open_for_reading(file);
  Index position = 0;
  const NpyHeader header = read_npy_header(file, [&](void* to, Index bytes) {
    if (position + bytes > opened.size())
      throw Error(fmt::format("'{}' ends within its header: the file is cut short", file));
    opened.read(position, {static_cast<std::byte*>(to), static_cast<std::size_t>(bytes)});
    position += bytes;
  });
  const NpyType type = npy_type(header, file);
  NpyMatrix matrix{type.raw, type.name, type.booleans, header.fortran, npy_shape(header, file), header.begin, false};
  const Index expected = header.elements * type.raw.bytes;
  const Index found = opened.size() - header.begin;
  if (found < expected)
    throw Error(fmt::format(
        "'{}' declares {} x {} elements of {}, {} bytes, but only {} follow its header: the file is cut short, or it "
        "lies",
        file, matrix.shape.rows, matrix.shape.columns, matrix.type_name, expected, found));
  matrix.goes_on = found > expected;
  return matrix;
}

MatrixDescription describe_npy(const std::string& file) {
  const NpyMatrix array = read_npy_matrix(file);
  if (array.goes_on)
    log_warning(fmt::format("'{}' goes on behind its first array, which is X: the rest is left out", file));
  MatrixDescription matrix;
  matrix.file = file;
  matrix.format = FileFormat::npy;
  matrix.shape = array.shape;
  matrix.transposed = array.fortran;
  matrix.stored = array.shape.rows * array.shape.columns;
  matrix.element_type = array.type_name;
  matrix.booleans = array.booleans;
  const bool single = array.type.kind == io::RawType::Kind::floating && array.type.bytes == 4;
  matrix.data_type = single ? DataType::float32 : DataType::float64;
  matrix.layout = array.fortran ? "contiguous, Fortran order" : "contiguous";
  return matrix;
}

}  // namespace scanmf::data
