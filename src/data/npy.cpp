#include "data/npy.hpp"

#include <fmt/format.h>

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
#include "io/posix_file.hpp"
#include "scanmf/core/error.hpp"

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
  if (descr.empty() || descr.front() == '[') return "records with fields";
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
      return fmt::format("elements of type {}", descr);
  }
}

void parse_type(NpyHeader& header, std::string_view text, const std::string& name) {
  using Kind = io::RawType::Kind;
  const std::size_t end = text.size() > 1 && text[0] == '\'' ? text.find('\'', 1) : std::string_view::npos;
  const std::string_view descr = end == std::string_view::npos ? std::string_view() : text.substr(1, end - 1);
  const std::optional<Index> bytes = descr.size() > 2 ? parse_index(descr.substr(2)) : std::nullopt;
  const char kind = bytes ? descr[1] : ' ';
  const bool integer = (kind == 'i' || kind == 'u') && (bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8);
  const bool boolean = kind == 'b' && bytes == 1;
  const bool real = kind == 'f' && (bytes == 2 || bytes == 4 || bytes == 8 || bytes == 16);
  if (!integer && !boolean && !real)
    throw Error(fmt::format("'{}' holds {}: integers and real numbers only", name, other_elements(descr)));
  const bool big = descr[0] == '>' || (descr[0] == '=' && std::endian::native == std::endian::big);
  header.type = {real          ? Kind::floating
                 : kind == 'i' ? Kind::signed_integer
                               : Kind::unsigned_integer,
                 *bytes, *bytes > 1 && descr[0] != '|' && big != (std::endian::native == std::endian::big)};
  if (*bytes == 16 &&
      (header.type.swapped || std::numeric_limits<long double>::digits != 64 || sizeof(long double) != 16))
    throw Error(
        fmt::format("'{}' holds numbers of 16 bytes in another form than this machine's: save them as float64", name));
  header.type_name = boolean ? "bool"
                             : fmt::format("{}{}{}",
                                           real          ? "float"
                                           : kind == 'i' ? "int"
                                                         : "uint",
                                           8 * *bytes, big && *bytes > 1 ? " (big-endian)" : "");
}

void parse_shape(NpyHeader& header, std::string_view text, const std::string& name) {
  const std::size_t close = text.find(')');
  if (text.front() != '(' || close == std::string_view::npos) refuse(name, "the shape in its header cannot be read");
  std::vector<Index> lengths;
  std::string inside(text.substr(1, close - 1));
  std::erase(inside, ' ');
  for (std::size_t begin = 0; begin < inside.size();) {
    const std::size_t end = std::min(inside.find(',', begin), inside.size());
    std::string one = inside.substr(begin, end - begin);
    if (one.ends_with('L')) one.pop_back();  // Python 2
    const std::optional<Index> length = parse_index(one);
    if (!length || *length < 0) refuse(name, fmt::format("its header gives a length of '{}'", one));
    lengths.push_back(*length);
    begin = end + 1;
  }
  if (lengths.size() != 2)
    throw Error(fmt::format("'{}' holds an array of {} dimensions. Expected 2D array, got {}D array instead", name,
                            lengths.size(), lengths.size()));
  header.shape = {lengths[0], lengths[1]};
  if (!checked_product({lengths[0], lengths[1], header.type.bytes}))
    throw Error(fmt::format("'{}' declares a shape of {} x {}, which is more than any file can hold", name, lengths[0],
                            lengths[1]));
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
  parse_type(header, value_of(dictionary, "descr", name), name);
  parse_shape(header, value_of(dictionary, "shape", name), name);
  const std::string_view order = value_of(dictionary, "fortran_order", name);
  header.fortran = order.starts_with("True");
  if (!header.fortran && !order.starts_with("False"))
    refuse(name, "its header does not say in which order the elements lie");
  header.begin = 8 + length_bytes + size;
  return header;
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

NpyHeader read_npy_header(const std::string& file) {
  const io::PosixFile opened = io::PosixFile::open_for_reading(file);
  Index position = 0;
  NpyHeader header = read_npy_header(file, [&](void* to, Index bytes) {
    if (position + bytes > opened.size())
      throw Error(fmt::format("'{}' ends within its header: the file is cut short", file));
    opened.read(position, {static_cast<std::byte*>(to), static_cast<std::size_t>(bytes)});
    position += bytes;
  });
  const Index expected =
      header.shape.rows * header.shape.columns * header.type.bytes;  // checked when the shape was parsed
  if (opened.size() - header.begin < expected)
    throw Error(fmt::format(
        "'{}' declares {} x {} elements of {}, {} bytes, but only {} follow its header: the file is cut short, or it "
        "lies",
        file, header.shape.rows, header.shape.columns, header.type_name, expected, opened.size() - header.begin));
  return header;
}

MatrixDescription describe_npy(const std::string& file) {
  const NpyHeader header = read_npy_header(file);
  MatrixDescription matrix;
  matrix.file = file;
  matrix.format = FileFormat::npy;
  matrix.shape = header.shape;
  matrix.transposed = header.fortran;
  matrix.stored = header.shape.rows * header.shape.columns;
  matrix.element_type = header.type_name;
  const bool single = header.type.kind == io::RawType::Kind::floating && header.type.bytes == 4;
  matrix.data_type = single ? DataType::float32 : DataType::float64;
  matrix.layout = header.fortran ? "contiguous, Fortran order" : "contiguous";
  return matrix;
}

}  // namespace scanmf::data
