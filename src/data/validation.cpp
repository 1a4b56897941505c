#include "data/validation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "scanmf/core/error.hpp"
#include "scanmf/core/team.hpp"

namespace scanmf::data {
namespace {

template <Scalar T>
constexpr T lowest_allowed(bool check_sign) {
  return check_sign ? T{0} : std::numeric_limits<T>::lowest();
}

/// Calls visit(row of the tile, first column, elements) for what each strip of a packed tile has of each row; padding
/// included, which is zero.
template <Scalar T, class F>
void for_each_strip_row(const DenseTile<T>& tile, F&& visit) {
  const Index padded = padded_columns<T>(tile.columns);
  for (Index j = 0; j < padded; j += strip_columns<T>) {
    const Index width = std::min(strip_columns<T>, padded - j);
    for (Index i = 0; i < tile.rows; ++i)
      visit(i, j, std::span<const T>(tile.packed + j * tile.rows + i * width, static_cast<std::size_t>(width)));
  }
}

/// Bits of a quiet NaN that no computation makes.
template <Scalar T>
constexpr auto tag_bits() {
  if constexpr (std::is_same_v<T, float>)
    return std::uint32_t{0x7FDC0DE0};
  else
    return std::uint64_t{0x7FFDC0DE0DD0DE00};
}

constexpr Flaw flaws_of_files[] = {Flaw::missing, Flaw::not_available, Flaw::no_boolean};

bool before(const Offence& a, const Offence& b) { return a.row != b.row ? a.row < b.row : a.column < b.column; }

}  // namespace

template <Scalar T>
T flawed(Flaw flaw) {
  using Bits = decltype(tag_bits<T>());
  return std::bit_cast<T>(static_cast<Bits>(tag_bits<T>() + static_cast<Bits>(flaw)));
}

template <Scalar T>
std::optional<Flaw> flaw_of(T value, bool check_sign) {
  if (std::isnan(value)) {
    using Bits = decltype(tag_bits<T>());
    for (const Flaw flaw : flaws_of_files)
      if (std::bit_cast<Bits>(value) == std::bit_cast<Bits>(flawed<T>(flaw))) return flaw;
    return Flaw::nan;
  }
  if (std::isinf(value)) return Flaw::infinity;
  if (check_sign && value < T{0}) return Flaw::negative;
  return std::nullopt;
}

template <Scalar T>
std::optional<Flaw> Inspection::flaw(T value) const {
  const std::optional<Flaw> found = flaw_of(value, check_sign_);
  return found && may_be_there(*found) ? std::nullopt : found;
}

template <Scalar T>
ElementTotals Inspection::totals_of(std::span<const T> elements) const {
  ElementTotals totals = element_totals<T>(elements, lowest_allowed<T>(check_sign_));
  if (totals.sound || !allow_missing_) return totals;
  totals = {};
  for (const T value : elements) {
    totals.sound = totals.sound && !flaw(value);
    if (std::isnan(value)) continue;
    totals.sum += static_cast<double>(value);
    totals.positive += value > T{0} ? 1 : 0;
  }
  return totals;
}

void Inspection::add(const Offence& offence) {
  if (may_be_there(offence.flaw)) return;
  if (!first_ || before(offence, *first_)) first_ = offence;
}

void Inspection::add(const ElementTotals& row) {
  sum_.add(row.sum);
  summary_.positive += row.positive;
}

/// The strips' padding, which is zero, is no element of the row.
template <Scalar T>
std::optional<Offence> Inspection::first_in_row(const DenseTile<T>& tile, Index row_of_tile, Index global_row) const {
  std::optional<Offence> first;
  for_each_strip_row(tile, [&](Index row, Index column, std::span<const T> elements) {
    if (row != row_of_tile) return;
    for (std::size_t j = 0; j < elements.size() && !first && column + static_cast<Index>(j) < tile.columns; ++j) {
      const std::optional<Flaw> found = flaw(elements[j]);
      if (found) first = Offence{global_row, column + static_cast<Index>(j), *found};
    }
  });
  return first;
}

template <Scalar T>
void Inspection::add(const DenseBlock<T>& block, Index global_row) {
  std::vector<ElementTotals> totals(static_cast<std::size_t>(block.rows));
  const Index tiles = (block.rows + block.tile_rows - 1) / block.tile_rows;
  team_for(block.elements()).for_each(tiles, [&](Index t) {
    ElementTotals* const of_tile = totals.data() + t * block.tile_rows;
    for_each_strip_row(block.tile(t), [&](Index i, Index, std::span<const T> elements) {
      const ElementTotals part = totals_of<T>(elements);
      of_tile[i].sum += part.sum;
      of_tile[i].positive += part.positive;
      of_tile[i].sound &= part.sound;
    });
  });
  for (Index i = 0; i < block.rows; ++i) {
    const ElementTotals& row = totals[static_cast<std::size_t>(i)];
    add(row);
    if (row.sound || first_) continue;
    first_ = first_in_row(block.tile(i / block.tile_rows), i % block.tile_rows, global_row + i);
  }
  summary_.stored += block.rows * block.columns;
}

template <Scalar T>
void Inspection::add(const CsrBlock<T>& block, Index global_row) {
  std::vector<ElementTotals> totals(static_cast<std::size_t>(block.rows));
  const auto values_of = [&](Index row) {
    return std::span<const T>(block.value + block.row_begin[row],
                              static_cast<std::size_t>(block.row_begin[row + 1] - block.row_begin[row]));
  };
  team_for(block.elements()).for_each(block.rows, [&](Index i) {
    totals[static_cast<std::size_t>(i)] = totals_of<T>(values_of(i));
  });
  for (Index i = 0; i < block.rows; ++i) {
    const ElementTotals& row = totals[static_cast<std::size_t>(i)];
    add(row);
    if (row.sound || first_) continue;
    for (Index p = block.row_begin[i]; p < block.row_begin[i + 1] && !first_; ++p)
      if (const auto found = flaw(block.value[p])) first_ = Offence{global_row + i, block.column[p], *found};
  }
  summary_.stored += block.row_begin[block.rows] - block.row_begin[0];
}

const char* name_of(Flaw flaw) {
  switch (flaw) {
    case Flaw::missing:
      return "missing values (by its _FillValue, missing_value or valid_range)";
    case Flaw::not_available:
      return "missing values (NA among its booleans)";
    case Flaw::no_boolean:
      return "booleans that are neither 0 nor 1";
    case Flaw::infinity:
      return "infinity";
    case Flaw::negative:
      return "negative values";
    case Flaw::nan:
      break;
  }
  return "NaN";
}

std::string describe_offence(const Offence& offence, DataType type, const std::string& estimator,
                             const std::string& place) {
  std::string message;
  switch (offence.flaw) {
    case Flaw::nan:
      message = "Input X contains NaN.";
      break;
    case Flaw::infinity:
      message = fmt::format("Input X contains infinity or a value too large for dtype('{}').", name_of(type));
      break;
    case Flaw::negative:
      message = fmt::format("Negative values in data passed to {} (input X)", estimator);
      break;
    default:
      message = fmt::format("Input X contains {}", name_of(offence.flaw));
      break;
  }
  const std::string where = place.empty() ? "" : " of " + place;
  const bool may_be_missing =
      offence.flaw == Flaw::nan || offence.flaw == Flaw::missing || offence.flaw == Flaw::not_available;
  return fmt::format("{} (row {}, column {}{}, counted from 0){}", message, offence.row, offence.column, where,
                     may_be_missing ? "; missing = 'nan' (--missing nan) leaves such entries out" : "");
}

DataSummary conclude(const Communicator& comm, const Inspection& inspection, DataType type,
                     const std::string& estimator, const std::string& place) {
  constexpr Index none = std::numeric_limits<Index>::max();
  const std::optional<Offence>& own = inspection.first();
  const Index first_row = -comm.max(own ? -own->row : -none);
  const bool own_row = own && own->row == first_row;
  const Index first_column =
      -comm.max(own_row ? -own->column : -none);  // a row may have come to several ranks in parts
  comm.agree([&] {
    if (own_row && own->column == first_column) throw Error(describe_offence(*own, type, estimator, place));
  });
  DataSummary total;
  total.sum = exact_sum(comm, inspection.sum());
  total.positive = comm.sum(inspection.summary().positive);
  total.stored = comm.sum(inspection.summary().stored);
  total.local = inspection.summary().stored;
  return total;
}

template float flawed(Flaw);
template double flawed(Flaw);
template std::optional<Flaw> flaw_of(float, bool);
template std::optional<Flaw> flaw_of(double, bool);
template void Inspection::add(const DenseBlock<float>&, Index);
template void Inspection::add(const DenseBlock<double>&, Index);
template void Inspection::add(const CsrBlock<float>&, Index);
template void Inspection::add(const CsrBlock<double>&, Index);

}  // namespace scanmf::data
