#include "formats/text_number.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>

#include "core/printable.hpp"

namespace scanmf::formats {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string lower(std::string_view text) {
  std::string result(text);
  for (char& c : result)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return result;
}

/// Without one sign at its beginning.
std::string_view unsigned_part(std::string_view text) {
  if (!text.empty() && (text[0] == '+' || text[0] == '-')) text.remove_prefix(1);
  return text;
}

std::size_t count_digits(std::string_view text, std::size_t begin) {
  std::size_t end = begin;
  while (end < text.size() && is_digit(text[end])) ++end;
  return end - begin;
}

/// digits [mark digits] [e|E|d|D [sign] digits], with a digit before or behind the mark: whether that is all of `text`,
/// and what is in it.
struct TextShape {
  bool is_number = false;
  bool is_integer = false;
};

TextShape shape_of(std::string_view text, char decimal) {
  std::size_t at = count_digits(text, 0);
  std::size_t digits = at;
  bool integer = true;
  if (at < text.size() && text[at] == decimal) {
    integer = false;
    const std::size_t behind = count_digits(text, at + 1);
    if (decimal == ',' && behind == 0) return {};  // "1," is a number and a delimiter
    digits += behind;
    at += 1 + behind;
  }
  if (digits == 0) return {};
  if (at < text.size() && std::string_view("eEdD").find(text[at]) != std::string_view::npos) {
    integer = false;
    ++at;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    const std::size_t exponent = count_digits(text, at);
    if (exponent == 0) return {};
    at += exponent;
  }
  return {at == text.size(), integer};
}

Cell integer_cell(std::string_view digits, double value) {
  constexpr std::size_t always_exact = 15;
  if (digits.size() <= always_exact) return {CellKind::number, value};
  std::uint64_t exact = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), exact);
  if (error != std::errc()) return {CellKind::too_large, value};
  const bool fits = std::fabs(value) < 0x1p64 && static_cast<std::uint64_t>(std::fabs(value)) == exact;
  return {fits ? CellKind::number : CellKind::inexact, value};
}

/// A number of the right shape, sign included.
Cell number_cell(std::string_view text, bool integer) {
  const std::string_view digits = unsigned_part(text);
  double value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error == std::errc::result_out_of_range) {
    value = std::strtod(std::string(digits).c_str(), nullptr);  // tells too small, which is 0, from too large
    if (std::isinf(value)) return {CellKind::too_large, value};
  }
  if (text[0] == '-') value = -value;
  return integer ? integer_cell(digits, value) : Cell{CellKind::number, value};
}

}  // namespace

bool is_missing_word(std::string_view text) {
  static constexpr std::array<std::string_view, 10> words = {"",     "na",  "n/a",  "#n/a", "#na",
                                                             "<na>", "nan", "null", "none", "1.#qnan"};
  if (text.size() > 8) return false;
  const std::string small = lower(text);
  return std::find(words.begin(), words.end(), small) != words.end() || small == "-nan" || small == "+nan";
}

Cell parse_cell(std::string_view text, char decimal, std::span<const std::string> missing) {
  const Cell gone{CellKind::missing, std::numeric_limits<double>::quiet_NaN()};
  if (!missing.empty() && std::find(missing.begin(), missing.end(), text) != missing.end()) return gone;
  const std::string_view bare = unsigned_part(text);
  if (bare.empty() || !(is_digit(bare[0]) || bare[0] == decimal)) {
    if (is_missing_word(text)) return gone;
    const std::string small = lower(bare);
    if (small == "inf" || small == "infinity") return {CellKind::infinite, 0};
    return {};
  }
  const TextShape shape = shape_of(bare, decimal);
  if (!shape.is_number) return is_missing_word(text) ? gone : Cell{};
  Cell cell;
  if (decimal == '.' && bare.find_first_of("dD") == std::string_view::npos) {
    cell = number_cell(text, shape.is_integer);
  } else {
    std::string usual(text);
    std::replace(usual.begin(), usual.end(), decimal, '.');
    std::replace_if(
        usual.begin(), usual.end(), [](char c) { return c == 'd' || c == 'D'; }, 'e');
    cell = number_cell(usual, shape.is_integer);
  }
  for (const std::string& word : missing) {
    if (cell.kind != CellKind::number || word.empty() || word == text) continue;
    const Cell code = parse_cell(word, decimal);
    if (code.kind == CellKind::number && code.value == cell.value) return gone;  // -999 means -999.0 too
  }
  return cell;
}

DecimalEvidence decimal_evidence(std::string_view text) {
  const std::string_view bare = unsigned_part(text);
  const auto commas = std::count(bare.begin(), bare.end(), ',');
  const auto points = std::count(bare.begin(), bare.end(), '.');
  if (bare.find_first_not_of("0123456789.,eE+-dD") != std::string_view::npos ||
      count_digits(bare, 0) + 1 < bare.find_first_of(".,"))
    return DecimalEvidence::none;
  if (commas == 0) return points == 1 && shape_of(bare, '.').is_number ? DecimalEvidence::point : DecimalEvidence::none;
  if (points == 0 && commas == 1 && shape_of(bare, ',').is_number) {
    const std::size_t before = bare.find(',');
    const bool groups = before >= 1 && before <= 3 && bare[0] != '0' && bare.size() == before + 4 &&
                        count_digits(bare, before + 1) == 3;
    return groups ? DecimalEvidence::ambiguous : DecimalEvidence::comma;
  }
  return is_digit(bare[0]) && is_digit(bare.back()) ? DecimalEvidence::thousands : DecimalEvidence::none;
}

std::string refusal_of(CellKind kind, const std::string& text) {
  const std::string shown = printable(text);
  switch (kind) {
    case CellKind::missing:
      return text.empty() ? "the field is empty, a missing value: --allow-missing writes NaN"
                          : fmt::format("'{}' is a missing value: --allow-missing writes NaN", shown);
    case CellKind::infinite:
      return fmt::format("'{}' is not finite", shown);
    case CellKind::too_large:
      return fmt::format("'{}' is too large", shown);
    case CellKind::inexact:
      return fmt::format("'{}' is an integer that float64 does not hold exactly", shown);
    default:
      return fmt::format("'{}' is not a number{}", shown,
                         decimal_evidence(text) == DecimalEvidence::none
                             ? ""
                             : " here (option --decimal says what the decimal mark is)");
  }
}

}  // namespace scanmf::formats
