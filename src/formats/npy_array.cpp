#include "formats/npy_array.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "core/checked.hpp"
#include "core/number_text.hpp"
#include "core/printable.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::formats {
namespace {

[[noreturn]] void improper(const InputReader& file, const std::string& what) {
  throw Error(fmt::format("'{}' is no proper .npy file: {}", file.name(), what));
}

/// The text behind 'key': in the header's Python dictionary.
std::string value_of(const InputReader& file, const std::string& dictionary, const std::string& key) {
  const std::size_t at = dictionary.find("'" + key + "':");
  if (at == std::string::npos) improper(file, fmt::format("its header has no '{}'", key));
  const std::size_t begin = dictionary.find_first_not_of(' ', at + key.size() + 3);
  return begin == std::string::npos ? "" : dictionary.substr(begin);
}

std::string descr_of(const InputReader& file, const std::string& text) {
  if (text.starts_with('['))
    throw Error(fmt::format("'{}' holds a structured array: it needs a plain one of numbers", file.name()));
  const std::size_t end = text.find('\'', 1);
  if (text.empty() || text[0] != '\'' || end == std::string::npos) improper(file, "its header has no type");
  return text.substr(1, end - 1);
}

std::vector<Index> dimensions_of(const InputReader& file, const std::string& text) {
  std::vector<Index> lengths;
  const std::size_t close = text.find(')');
  if (text.empty() || text[0] != '(' || close == std::string::npos) improper(file, "its header has no shape");
  const std::string inside = text.substr(1, close - 1);
  for (std::size_t begin = 0; begin < inside.size();) {
    const std::size_t end = std::min(inside.find(',', begin), inside.size());
    std::string one = inside.substr(begin, end - begin);
    std::erase(one, ' ');
    std::erase(one, 'L');  // of Python 2
    begin = end + 1;
    if (one.empty()) continue;
    const auto length = parse_index(one);
    if (!length || *length < 0) improper(file, fmt::format("'{}' is no length", printable(one)));
    lengths.push_back(*length);
  }
  return lengths;
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

/// The 80 bits of x87: 64 of the significand, its first one written out, 15 of the exponent, the sign. Throws for what
/// is none.
double x87_to_double(const char* bytes, const InputReader& file) {
  std::uint64_t significand = 0;
  std::uint16_t rest = 0;
  std::memcpy(&significand, bytes, 8);
  std::memcpy(&rest, bytes + 8, 2);
  const int exponent = rest & 0x7fff;
  const double sign = (rest & 0x8000) != 0 ? -1.0 : 1.0;
  const bool leading = significand >> 63U != 0;
  if (leading != (exponent != 0))
    throw Error(
        fmt::format("'{}' holds long doubles of another kind than x86's (128 bits?): save it as float64", file.name()));
  constexpr int bias = 16383 + 63;
  if (exponent == 0x7fff) return (significand << 1U) == 0 ? sign * HUGE_VAL : std::nan("");
  return sign * std::ldexp(static_cast<double>(significand), exponent - bias);
}

constexpr const char* what_it_is(char kind) {
  switch (kind) {
    case 'O':
      return "Python objects";
    case 'c':
      return "complex numbers";
    case 'S':
    case 'U':
      return "strings";
    case 'M':
    case 'm':
      return "dates or times";
    default:
      return "no numbers";
  }
}

}  // namespace

NpyHeader read_npy_header(InputReader& file) {
  file.rewind();
  std::array<unsigned char, 8> magic{};
  file.read_exactly(magic.data(), 8, "its header");
  if (std::memcmp(magic.data(), "\x93NUMPY", 6) != 0) throw Error(fmt::format("'{}' is not a .npy file", file.name()));
  const int version = magic[6];
  if (version < 1 || version > 3)
    throw Error(fmt::format("'{}' has version {} of the .npy format; 1 to 3 are known", file.name(), version));
  std::array<unsigned char, 4> length{};
  file.read_exactly(length.data(), version == 1 ? 2 : 4, "its header");
  const Index size = Index{length[0]} | Index{length[1]} << 8 | Index{length[2]} << 16 | Index{length[3]} << 24;
  constexpr Index largest = Index{1} << 20;
  if (size > largest) improper(file, fmt::format("a header of {} bytes", size));
  std::string dictionary(static_cast<std::size_t>(size), ' ');
  file.read_exactly(dictionary.data(), size, "its header");
  NpyHeader header;
  header.descr = descr_of(file, value_of(file, dictionary, "descr"));
  header.dimensions = dimensions_of(file, value_of(file, dictionary, "shape"));
  header.fortran = value_of(file, dictionary, "fortran_order").starts_with("True");
  std::optional<Index> elements = 1;
  for (const Index one : header.dimensions) elements = elements ? checked_product({*elements, one}) : elements;
  if (!elements || !file.could_hold(elements))
    improper(file, "it is cut short, or states more elements than it can hold");
  header.elements = *elements;
  return header;
}

NpyElements::NpyElements(InputReader& file, const NpyHeader& header) : file_(file) {
  using enum hdf5::NumberType;
  static const std::vector<std::pair<const char*, hdf5::NumberType>> types = {
      {"f8", float64}, {"f4", float32}, {"f2", float32}, {"i1", int8},   {"i2", int16}, {"i4", int32},   {"i8", int64},
      {"u1", uint8},   {"u2", uint16},  {"u4", uint32},  {"u8", uint64}, {"b1", uint8}, {"f16", float64}};
  const std::string& descr = header.descr;
  const std::string name = descr.empty() ? descr : descr.substr(1);
  const auto found = std::find_if(types.begin(), types.end(), [&](const auto& one) { return name == one.first; });
  const bool big = !descr.empty() && descr[0] == '>';
  const bool foreign_order = big == (std::endian::native == std::endian::little) && descr[0] != '|' && descr[0] != '=';
  if (found == types.end() || (name == "f16" && foreign_order))
    throw Error(fmt::format("'{}' holds elements of type {} ({}): integers and real numbers only", file.name(),
                            printable(descr), what_it_is(name.empty() ? ' ' : name[0])));
  type_ = found->second;
  encoding_ = name == "f2"    ? Encoding::half
              : name == "f16" ? Encoding::x87
              : name == "b1"  ? Encoding::boolean
                              : Encoding::plain;
  bytes_ = encoding_ == Encoding::half ? 2 : encoding_ == Encoding::x87 ? 16 : hdf5::size_of(type_);
  swapped_ = foreign_order && bytes_ > 1;
  if (!file.could_hold(checked_product({header.elements, bytes_})))
    improper(file, "it is cut short: its elements are not all there");
}

std::vector<char> NpyElements::read(Index count) {
  std::vector<char> raw(static_cast<std::size_t>(count * bytes_));
  file_.read_exactly(raw.data(), count * bytes_, "its elements");
  if (swapped_) swap_bytes(raw.data(), count, bytes_);
  const auto is_boolean = [](char byte) { return byte == 0 || byte == 1; };
  if (encoding_ == Encoding::boolean && !std::ranges::all_of(raw, is_boolean))
    improper(file_, "its booleans are to be 0 or 1, and one is not");
  const bool as_they_are = encoding_ == Encoding::plain || encoding_ == Encoding::boolean;
  return as_they_are ? raw : decoded(std::move(raw), count);
}

std::vector<char> NpyElements::decoded(std::vector<char> raw, Index count) const {
  const Index width = hdf5::size_of(type_);
  std::vector<char> wide(static_cast<std::size_t>(count * width));
  for (Index i = 0; i < count; ++i) {
    if (encoding_ == Encoding::half) {
      std::uint16_t half = 0;
      std::memcpy(&half, raw.data() + i * bytes_, 2);
      const float value = half_to_float(half);
      std::memcpy(wide.data() + i * width, &value, sizeof value);
    } else {
      const double value = x87_to_double(raw.data() + i * bytes_, file_);
      std::memcpy(wide.data() + i * width, &value, sizeof value);
    }
  }
  return wide;
}

}  // namespace scanmf::formats
