#include "data/validation.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "scanmf/core/error.hpp"

namespace scanmf::data {
namespace {

constexpr Index parallel_elements = Index{1} << 14;  // fewer are faster without waking other threads

/// What one look at some values of a row finds out.
struct Totals {
  double sum = 0;
  Index positive = 0;
  bool sound = true;
};

/// Independent partial sums, so that the loop runs in vectors.
template <Scalar T>
void add_values(const T* values, Index count, T lowest, Totals& totals) {
  constexpr Index lanes = 16;
  constexpr T highest = std::numeric_limits<T>::max();
  std::array<double, lanes> sums{};
  std::array<T, lanes> positives{};  // counts, in the type of the values to stay in their lanes
  std::array<T, lanes> flaws{};
  Index positive = 0;
  Index i = 0;
  while (i + lanes <= count) {
    constexpr Index longest = Index{1} << 20;  // a float counts to 2^24
    const Index end = std::min(count, i + longest);
    for (; i + lanes <= end; i += lanes) {
      for (std::size_t lane = 0; lane < lanes; ++lane) {
        const T value = values[i + static_cast<Index>(lane)];
        sums[lane] += static_cast<double>(value);
        positives[lane] += value > T{0} ? T{1} : T{0};
        flaws[lane] += value >= lowest && value <= highest ? T{0} : T{1};
      }
    }
    for (T& lane : positives) positive += static_cast<Index>(std::exchange(lane, T{0}));
    for (T& lane : flaws) totals.sound = totals.sound && std::exchange(lane, T{0}) == T{0};
  }
  for (; i < count; ++i) {
    const T value = values[i];
    sums[0] += static_cast<double>(value);
    positive += value > T{0} ? 1 : 0;
    totals.sound = totals.sound && value >= lowest && value <= highest;
  }
  for (std::size_t half = lanes / 2; half > 0; half /= 2)
    for (std::size_t lane = 0; lane < half; ++lane) sums[lane] += sums[lane + half];
  totals.sum += sums[0];
  totals.positive += positive;
}

template <Scalar T>
constexpr T lowest_allowed(bool check_sign) {
  return check_sign ? T{0} : std::numeric_limits<T>::lowest();
}

/// Calls visit(first column, values, count) for the strips of one row of a packed block.
template <Scalar T, class F>
void for_each_strip(const DenseBlock<T>& block, Index row, F&& visit) {
  const DenseTile<T> tile = block.tile(row / block.tile_rows);
  const Index padded = padded_columns<T>(block.columns);
  for (Index j = 0; j < padded; j += strip_columns<T>) {
    const Index width = std::min(strip_columns<T>, padded - j);
    visit(j, tile.packed + j * tile.rows + row % block.tile_rows * width, width);
  }
}

bool before(const Offence& a, const Offence& b) { return a.row != b.row ? a.row < b.row : a.column < b.column; }

}  // namespace

template <Scalar T>
std::optional<Flaw> flaw_of(T value, bool check_sign) {
  if (std::isnan(value)) return Flaw::nan;
  if (std::isinf(value)) return Flaw::infinity;
  if (check_sign && value < T{0}) return Flaw::negative;
  return std::nullopt;
}

void Inspection::add(const Offence& offence) {
  if (!first_ || before(offence, *first_)) first_ = offence;
}

template <Scalar T>
void Inspection::add(const DenseBlock<T>& block, Index global_row) {
  std::vector<Totals> totals(static_cast<std::size_t>(block.rows));
#pragma omp parallel for schedule(static) if (block.rows * block.columns > parallel_elements)
  for (Index i = 0; i < block.rows; ++i) {
    for_each_strip(block, i, [&](Index, const T* values, Index count) {  // padding is zero and changes nothing
      add_values(values, count, lowest_allowed<T>(check_sign_), totals[static_cast<std::size_t>(i)]);
    });
  }
  for (Index i = 0; i < block.rows; ++i) {
    const Totals& row = totals[static_cast<std::size_t>(i)];
    summary_.sum += row.sum;
    summary_.positive += row.positive;
    if (row.sound || first_) continue;
    for_each_strip(block, i, [&](Index column, const T* values, Index count) {
      for (Index j = 0; j < count && !first_; ++j)
        if (const auto flaw = flaw_of(values[j], check_sign_)) first_ = Offence{global_row + i, column + j, *flaw};
    });
  }
  summary_.stored += block.rows * block.columns;
}

template <Scalar T>
void Inspection::add(const CsrBlock<T>& block, Index global_row) {
  std::vector<Totals> totals(static_cast<std::size_t>(block.rows));
#pragma omp parallel for schedule(static) if (block.row_begin[block.rows] - block.row_begin[0] > parallel_elements)
  for (Index i = 0; i < block.rows; ++i)
    add_values(block.value + block.row_begin[i], block.row_begin[i + 1] - block.row_begin[i], lowest_allowed<T>(check_sign_),
               totals[static_cast<std::size_t>(i)]);
  for (Index i = 0; i < block.rows; ++i) {
    const Index begin = block.row_begin[i];
    const Index end = block.row_begin[i + 1];
    const Totals& row = totals[static_cast<std::size_t>(i)];
    summary_.sum += row.sum;
    summary_.positive += row.positive;
    summary_.stored += end - begin;
    if (row.sound || first_) continue;
    for (Index p = begin; p < end && !first_; ++p)
      if (const auto flaw = flaw_of(block.value[p], check_sign_)) first_ = Offence{global_row + i, block.column[p], *flaw};
  }
}

std::string describe_offence(const Offence& offence, DataType type, const std::string& estimator, const std::string& place) {
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
  }
  const std::string where = place.empty() ? "" : " of " + place;
  return fmt::format("{} (row {}, column {}{}, counted from 0)", message, offence.row, offence.column, where);
}

DataSummary conclude(const Communicator& comm, const Inspection& inspection, DataType type, const std::string& estimator, const std::string& place) {
  constexpr Index none = std::numeric_limits<Index>::max();
  const std::optional<Offence>& own = inspection.first();
  const Index first_row = -comm.max(own ? -own->row : -none);
  const bool own_row = own && own->row == first_row;
  const Index first_column = -comm.max(own_row ? -own->column : -none);  // a row may have come to several ranks in parts
  comm.agree([&] {
    if (own_row && own->column == first_column) throw Error(describe_offence(*own, type, estimator, place));
  });
  DataSummary total;
  total.sum = comm.sum(inspection.summary().sum);
  total.positive = comm.sum(inspection.summary().positive);
  total.stored = comm.sum(inspection.summary().stored);
  return total;
}

template std::optional<Flaw> flaw_of(float, bool);
template std::optional<Flaw> flaw_of(double, bool);
template void Inspection::add(const DenseBlock<float>&, Index);
template void Inspection::add(const DenseBlock<double>&, Index);
template void Inspection::add(const CsrBlock<float>&, Index);
template void Inspection::add(const CsrBlock<double>&, Index);

}  // namespace scanmf::data
