#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "core/checked.hpp"
#include "formats/dense_sink.hpp"
#include "formats/memory.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/log.hpp"

namespace scanmf::formats {

/// Entries of a sparse matrix in any order, brought into CSR: counted row by row first, then each put into its place.
/// What is stored several times is added up.
template <class T>
class Entries {
 public:
  /// `source`: the file, for messages.
  Entries(const std::string& source, Shape shape, const ImportOptions& options)
      : source_(source), shape_(shape), options_(options) {
    if (shape.rows == 0) throw Error(fmt::format("'{}': Found array with 0 sample(s)", source));
    if (shape.columns == 0) throw Error(fmt::format("'{}': Found array with 0 feature(s)", source));
    if (shape.columns > std::numeric_limits<std::int32_t>::max())
      throw Error(fmt::format("'{}': a sparse matrix of {} columns is too wide", source, shape.columns));
    require_memory(checked_product({shape.rows, 2 * static_cast<Index>(sizeof(Index))}), source, options);
    bounds_.resize(static_cast<std::size_t>(shape.rows) + 1);
  }

  void count(Index row) { ++bounds_[static_cast<std::size_t>(row) + 1]; }
  void end_counting() {
    std::partial_sum(bounds_.begin(), bounds_.end(), bounds_.begin());
    next_.assign(bounds_.begin(), bounds_.end() - 1);
    require_memory(checked_product({bounds_.back(), static_cast<Index>(sizeof(Entry))}), source_, options_);
    entries_.resize(static_cast<std::size_t>(bounds_.back()));
  }
  void add(Index row, Index column, T value) {
    entries_[static_cast<std::size_t>(next_[static_cast<std::size_t>(row)]++)] = {static_cast<std::int32_t>(column),
                                                                                  value};
  }

  /// Writes all of them; their number without duplicates.
  Index write(data::MatrixFileWriter& out) {
    const hdf5::NumberType stored = stored_type(number_type_of<T>(), options_);
    data::CsrWriter& csr = out.csr("/X", shape_, stored);
    constexpr Index piece = Index{1} << 20;  // entries written at a time, more when a single row has more
    std::vector<Index> lengths;
    std::vector<T> values;
    std::vector<std::int32_t> columns;
    Index written = 0;
    for (Index row = 0; row < shape_.rows; ++row) {
      const auto before = static_cast<Index>(values.size());
      append_row(row, values, columns);
      lengths.push_back(static_cast<Index>(values.size()) - before);
      if (static_cast<Index>(values.size() + lengths.size()) < piece && row + 1 < shape_.rows) continue;
      written += static_cast<Index>(values.size());
      csr.append_rows(lengths,
                      converted(number_type_of<T>(), stored, values.data(), static_cast<Index>(values.size())).data(),
                      columns);
      lengths.clear();
      values.clear();
      columns.clear();
    }
    return written;
  }
  /// Entries that were added to others.
  Index duplicates() const { return duplicates_; }

 private:
  using Entry = std::pair<std::int32_t, T>;

  void append_row(Index row, std::vector<T>& values, std::vector<std::int32_t>& columns) {
    const auto begin = entries_.begin() + bounds_[static_cast<std::size_t>(row)];
    const auto end = entries_.begin() + bounds_[static_cast<std::size_t>(row) + 1];
    std::stable_sort(begin, end, [](const Entry& a, const Entry& b) { return a.first < b.first; });
    for (auto entry = begin; entry != end; ++entry) {
      if (entry != begin && entry->first == (entry - 1)->first) {
        values.back() = sum(values.back(), entry->second, row, entry->first);
        ++duplicates_;
      } else {
        columns.push_back(entry->first);
        values.push_back(entry->second);
      }
      check(values.back(), row, entry->first);
    }
  }

  T sum(T a, T b, Index row, Index column) const {
    T result{};
    if constexpr (std::is_floating_point_v<T>) {
      result = a + b;
    } else if (__builtin_add_overflow(a, b, &result)) {
      throw Error(
          fmt::format("'{}': row {}, column {} of X (counted from 0) is stored several times, and the sum is too large",
                      source_, row, column));
    }
    return result;
  }

  void check(T value, Index row, Index column) const {
    if constexpr (std::is_floating_point_v<T>) {
      const bool too_large =
          options_.dtype == DataType::float32 && std::fabs(value) > static_cast<T>(std::numeric_limits<float>::max());
      const bool missing = std::isnan(value);
      if (missing ? options_.allow_missing : !too_large && !std::isinf(value)) return;
      throw Error(fmt::format("'{}' holds {} in row {}, column {} of X (counted from 0){}", source_,
                              missing ? "NaN" : "an infinite number, or one too large for the type that is written,",
                              row, column, missing ? "; --allow-missing writes it" : ""));
    }
  }

  std::string source_;
  Shape shape_;
  const ImportOptions& options_;
  std::vector<Index> bounds_;
  std::vector<Index> next_;
  std::vector<Entry> entries_;
  Index duplicates_ = 0;
};

/// visit_all(f) calls f(row, column, value) for each entry, the same ones each time. Writes them as /X.
template <class T, class VisitAll>
Imported write_entries(const std::string& source, Shape shape, data::MatrixFileWriter& out,
                       const ImportOptions& options, VisitAll&& visit_all) {
  Entries<T> entries(source, shape, options);
  visit_all([&](Index row, Index, T) { entries.count(row); });
  entries.end_counting();
  visit_all([&](Index row, Index column, T value) { entries.add(row, column, value); });
  const Index stored = entries.write(out);
  if (entries.duplicates() > 0)
    log_warning(
        fmt::format("'{}': {} entries are stored several times; they are added up", source, entries.duplicates()));
  return {shape, stored};
}

}  // namespace scanmf::formats
