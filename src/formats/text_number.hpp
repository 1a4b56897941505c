#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace scanmf::formats {

/// What a field of a text is (text_grammar.md).
enum class CellKind {
  number,
  missing,    // empty, NA, NaN, …
  infinite,   // inf
  too_large,  // a number beyond the range of float64, or an integer beyond 64 bits
  inexact,    // an integer that float64 does not hold exactly
  word        // anything else
};

struct Cell {
  CellKind kind = CellKind::word;
  double value = 0;  // NaN where it is missing
};

/// `missing`: fields that stand for a missing value, beside the usual ones.
Cell parse_cell(std::string_view text, char decimal, std::span<const std::string> missing = {});

/// Why a field of this kind is refused where a number is expected.
std::string refusal_of(CellKind kind, const std::string& text);

/// The usual ways to say that a value is missing: empty, NA, N/A, NaN, NULL, None, <NA>, …
bool is_missing_word(std::string_view text);

/// Marks in a number that say what its decimal mark is.
enum class DecimalEvidence {
  none,       // no mark, or no number
  point,      // 0.5
  comma,      // 0,5
  ambiguous,  // 1,234: a decimal comma or a thousands separator
  thousands   // 1,234,567 or 1.234,5
};
DecimalEvidence decimal_evidence(std::string_view text);

}  // namespace scanmf::formats
