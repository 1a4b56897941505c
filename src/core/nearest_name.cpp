#include "core/nearest_name.hpp"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <limits>

namespace scanmf {
namespace {

std::string folded(std::string_view name) {
  std::string result;
  for (const char c : name)
    result.push_back(c == '_' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  return result;
}

/// Optimal string alignment distance.
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0U : 1U)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates) {
  const std::string wanted = folded(name);
  std::string nearest;
  std::size_t smallest = std::numeric_limits<std::size_t>::max();
  for (const std::string& candidate : candidates) {
    std::size_t d = 2 * distance(wanted, folded(candidate));
    // Half a step closer when one is the beginning of the other: --iter is --iterations rather than --item.
    if (d > 0 && (folded(candidate).starts_with(wanted) || wanted.starts_with(folded(candidate)))) --d;
    if (d < smallest) {
      smallest = d;
      nearest = candidate;
    }
  }
  return nearest;
}

std::string near_name(std::string_view name, const std::vector<std::string>& candidates) {
  const std::string nearest = nearest_name(name, candidates);
  const std::string wanted = folded(name);
  const std::string found = folded(nearest);
  if (3 * distance(wanted, found) <= std::max(wanted.size(), found.size())) return nearest;
  for (const std::string& candidate : candidates) {  // --iter, --components: other ones may differ in fewer characters
    const std::string other = folded(candidate);
    constexpr std::size_t shortest_part = 3;
    const bool is_part = other.find(wanted) != std::string::npos || wanted.find(other) != std::string::npos;
    if (is_part && std::min(wanted.size(), other.size()) >= shortest_part) return candidate;
  }
  return "";
}

}  // namespace scanmf
