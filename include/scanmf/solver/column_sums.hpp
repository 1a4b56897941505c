#pragma once

#include <algorithm>
#include <memory>
#include <vector>

#include "scanmf/core/team.hpp"
#include "scanmf/core/tree_sum.hpp"

namespace scanmf {

/// Numbers that are summed over columns of X.
struct ColumnNumbers {
  explicit ColumnNumbers(std::size_t count) : values(count, 0.0) {}
  void add(ColumnNumbers& other) {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] += other.values[i];
    other.clear();
  }
  void clear() { std::ranges::fill(values, 0.0); }
  std::vector<double> values;
};

/// Nodes of the sums of `count` numbers over `some` of so many columns, whole groups (column_group): those that
/// add(thread, columns of a group, numbers) adds. Threads share the work.
template <class Add>
void sum_over_columns(TreeSum<ColumnNumbers>& sums, Index columns, Range some, std::size_t count, Add&& add) {
  const Index group = column_group(columns);
  sums.begin((columns + group - 1) / group);
  Team().in_groups(some.size(), group, [&](int thread, Range of_some) {
    auto numbers = sums.take([&] { return std::make_unique<ColumnNumbers>(count); });
    numbers->values.resize(count, 0.0);  // sums of more or fewer numbers may have come before
    add(thread, Range{some.begin + of_some.begin, some.begin + of_some.end}, numbers->values.data());
    sums.complete({0, (some.begin + of_some.begin) / group}, std::move(numbers));
  });
}

}  // namespace scanmf
