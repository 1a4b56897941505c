#include "formats/utf8.hpp"

#include <array>
#include <cstdint>

namespace scanmf::formats {
namespace {

void append_utf8(std::string& text, std::uint32_t code) {
  if (code < 0x80) {
    text += static_cast<char>(code);
  } else if (code < 0x800) {
    text += static_cast<char>(0xC0 | code >> 6);
    text += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    text += static_cast<char>(0xE0 | code >> 12);
    text += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    text += static_cast<char>(0x80 | (code & 0x3F));
  }
}

/// Bytes of the character that begins with `first`, 0 when none does.
std::size_t length_of(unsigned char first) {
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first < 0xE0) return 2;
  if (first >= 0xE0 && first < 0xF0) return 3;
  return first >= 0xF0 && first < 0xF5 ? 4 : 0;
}

}  // namespace

bool is_utf8(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = length_of(byte(i));
    if (length == 0 || i + length > text.size()) return false;
    for (std::size_t j = 1; j < length; ++j)
      if ((byte(i + j) & 0xC0) != 0x80) return false;
    if (byte(i) == 0xE0 && byte(i + 1) < 0xA0) return false;   // too long a form
    if (byte(i) == 0xED && byte(i + 1) >= 0xA0) return false;  // surrogates
    if (byte(i) == 0xF0 && byte(i + 1) < 0x90) return false;
    if (byte(i) == 0xF4 && byte(i + 1) >= 0x90) return false;  // beyond Unicode
    i += length;
  }
  return true;
}

std::string from_windows_1252(std::string_view text) {
  static constexpr std::array<std::uint16_t, 32> from_80 = {
      0x20AC, 0x81,   0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
      0x2039, 0x0152, 0x8D,   0x017D, 0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
      0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,   0x017E, 0x0178};
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    append_utf8(result, byte >= 0x80 && byte < 0xA0 ? from_80[byte - 0x80U] : byte);
  }
  return result;
}

}  // namespace scanmf::formats
