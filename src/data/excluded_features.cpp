#include "data/excluded_features.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "data/column_selection.hpp"
#include "data/load.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/log.hpp"

namespace scanmf::data {

void exclude_features(const std::vector<std::string>& names, MatrixDescription& x) {
  if (x.feature_names.empty())
    throw Error(
        fmt::format("{} has no names of features: which of its columns are to be left out nobody knows (option "
                    "'--exclude-features')",
                    place_of(x)));
  if (x.transposed)
    throw Error(fmt::format(
        "{}: features cannot be left out of a matrix that is turned round (option '--exclude-features'); in two steps: "
        "scanmf convert {} --transpose -o OUT.h5, then OUT.h5 with --exclude-features",
        place_of(x), place_of(x)));
  std::unordered_map<std::string_view, bool> is_found;  // in X
  for (const std::string& name : names) is_found.emplace(name, false);
  const std::vector<Range> before = x.columns.empty() ? std::vector<Range>{{0, x.shape.columns}} : x.columns;
  std::vector<Range> kept;
  std::vector<std::string> kept_names;
  std::size_t feature = 0;
  for (const Range& range : before) {
    for (Index column = range.begin; column < range.end; ++column, ++feature) {
      if (const auto found = is_found.find(x.feature_names[feature]); found != is_found.end()) {
        found->second = true;
        continue;
      }
      if (kept.empty() || kept.back().end != column) kept.push_back({column, column});
      kept.back().end = column + 1;
      kept_names.push_back(x.feature_names[feature]);
    }
  }
  if (kept.empty())
    throw Error(
        fmt::format("nothing is left of {}: all of its features are to be left out (option "
                    "'--exclude-features')",
                    place_of(x)));
  const auto known = std::ranges::count_if(is_found, [](const auto& name) { return name.second; });
  log_information(fmt::format("{} of {} features are left out (--exclude-features); of {} names {} are none of X's",
                              x.shape.columns - number_of_columns(kept), x.shape.columns, is_found.size(),
                              static_cast<Index>(is_found.size()) - known));
  if (kept_names.size() == x.feature_names.size()) return;
  if (x.columns.empty()) x.columns_in_file = x.shape.columns;
  x.columns = std::move(kept);
  x.feature_names = std::move(kept_names);
  x.shape.columns = number_of_columns(x.columns);
}

}  // namespace scanmf::data
