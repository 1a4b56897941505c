#include <algorithm>

#include "core/number_text.hpp"
#include "scanmf/ensemble/ensemble.hpp"

namespace scanmf {
namespace {

/// The texts between separators.
std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(separator, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

}  // namespace

std::optional<std::vector<Index>> parse_ks(const std::string& text) {
  constexpr Index most = 100000;  // of components, and of numbers of them
  std::vector<Index> ks;
  const std::vector<std::string> range = split(text, ':');
  const bool is_range = range.size() > 1;
  for (const std::string& part : is_range ? range : split(text, ',')) {
    const std::optional<Index> number = parse_index(part);
    if (!number || *number < 1 || *number > most) return std::nullopt;
    ks.push_back(*number);
  }
  if (is_range) {
    if (ks.size() > 3 || ks[0] > ks[1]) return std::nullopt;
    const Index first = ks[0];
    const Index last = ks[1];
    const Index step = ks.size() == 3 ? ks[2] : 1;
    ks.clear();
    for (Index k = first; k <= last; k += step) ks.push_back(k);
  }
  std::ranges::sort(ks);
  const auto repeated = std::ranges::unique(ks);
  ks.erase(repeated.begin(), repeated.end());
  return ks;
}

const char* name_of(Selection selection) { return selection == Selection::stability ? "stability" : "bicv"; }

std::span<const TableColumn> ensemble_table_columns() {
  static constexpr TableColumn columns[] = {
      {"stability", &MeasuresOfK::stability},
      {"least_cluster_stability", &MeasuresOfK::least_cluster_stability},
      {"error", &MeasuresOfK::error},
      {"reconstruction_err", &MeasuresOfK::reconstruction_err},
      {"replicate_error_mean", &MeasuresOfK::replicate_error_mean},
      {"replicate_error_sd", &MeasuresOfK::replicate_error_sd},
      {"kept", &MeasuresOfK::kept},
      {"cv_error", &MeasuresOfK::cv_error, true},
      {"cv_error_se", &MeasuresOfK::cv_error_se, true},
  };
  return columns;
}

std::vector<std::uint32_t> replicate_seeds(std::uint32_t random_state, Index count) {
  constexpr std::uint32_t top = 0x7fffffffU - 2;  // randint(1, 2³¹ − 1) is 1 + 0 … 2³¹ − 3
  LegacyRandom random(random_state);
  std::vector<std::uint32_t> seeds(static_cast<std::size_t>(count));
  for (std::uint32_t& seed : seeds) seed = random.below_or_equal(top) + 1;
  return seeds;
}

}  // namespace scanmf
