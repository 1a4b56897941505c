#include "data/validation.hpp"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <limits>

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

/// Adds up the values of one row in independent lanes, so that the loop runs in vectors.
template <Scalar T>
class RowTotals {
 public:
  explicit RowTotals(T lowest) : lowest_(lowest) {}

  void add(const T* values, Index count) {
    constexpr auto step = static_cast<Index>(lanes);
    Index i = 0;
    for (; i + step <= count; i += step) {
      for (std::size_t lane = 0; lane < lanes; ++lane) {
        const T value = values[i + static_cast<Index>(lane)];
        sums_[lane] += static_cast<double>(value);
        positives_[lane] += value > T{0} ? Count{1} : Count{0};
        flaws_[lane] |= value >= lowest_ && value <= highest ? Count{0} : Count{1};
      }
    }
    for (; i < count; ++i) {
      sums_[0] += static_cast<double>(values[i]);
      positives_[0] += values[i] > T{0} ? Count{1} : Count{0};
      flaws_[0] |= values[i] >= lowest_ && values[i] <= highest ? Count{0} : Count{1};
    }
  }

  Totals totals() const {
    Totals all;
    for (std::size_t lane = 0; lane < lanes; ++lane) {
      all.sum += sums_[lane];
      all.positive += static_cast<Index>(positives_[lane]);
      all.sound = all.sound && flaws_[lane] == 0;
    }
    return all;
  }

 private:
  static constexpr std::size_t lanes = column_grain<T>;
  static constexpr T highest = std::numeric_limits<T>::max();
  using Count = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;  // as wide as the values; a row has fewer than 2^32 · 16 columns

  T lowest_;
  std::array<double, lanes> sums_{};
  std::array<Count, lanes> positives_{};
  std::array<Count, lanes> flaws_{};
};

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
    RowTotals<T> row(lowest_allowed<T>(check_sign_));
    for_each_strip(block, i, [&](Index, const T* values, Index count) { row.add(values, count); });  // padding is zero and changes nothing
    totals[static_cast<std::size_t>(i)] = row.totals();
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
  for (Index i = 0; i < block.rows; ++i) {
    RowTotals<T> row(lowest_allowed<T>(check_sign_));
    row.add(block.value + block.row_begin[i], block.row_begin[i + 1] - block.row_begin[i]);
    totals[static_cast<std::size_t>(i)] = row.totals();
  }
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
  total.local = inspection.summary().stored;
  return total;
}

template std::optional<Flaw> flaw_of(float, bool);
template std::optional<Flaw> flaw_of(double, bool);
template void Inspection::add(const DenseBlock<float>&, Index);
template void Inspection::add(const DenseBlock<double>&, Index);
template void Inspection::add(const CsrBlock<float>&, Index);
template void Inspection::add(const CsrBlock<double>&, Index);

}  // namespace scanmf::data
