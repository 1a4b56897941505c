#include "scanmf/estimator/aligned_features.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <span>
#include <unordered_map>

#include "scanmf/core/error.hpp"
#include "scanmf/core/log.hpp"

namespace scanmf {
namespace {

/// "3 ('a', 'b', 'c')", the first few of them.
std::string some_of(const std::vector<std::string>& names) {
  constexpr std::size_t most = 5;
  std::vector<std::string> shown;
  for (const std::string& name : std::span(names).first(std::min(names.size(), most)))
    shown.push_back(fmt::format("'{}'", name));
  return fmt::format("{} ({}{})", names.size(), fmt::join(shown, ", "), names.size() > most ? ", ..." : "");
}

}  // namespace

std::vector<Index> places_of_names(const std::vector<std::string>& names, const std::string& what,
                                   const std::vector<std::string>& among, const std::string& what_among) {
  constexpr Index twice = -2;
  std::unordered_map<std::string, Index> place;
  for (std::size_t i = 0; i < among.size(); ++i)
    if (const auto [known, is_new] = place.emplace(among[i], static_cast<Index>(i)); !is_new) known->second = twice;
  std::unordered_map<std::string, Index> seen;
  std::vector<Index> places;
  for (const std::string& name : names) {
    const auto found = place.find(name);
    places.push_back(found == place.end() ? -1 : found->second);
    if (places.back() == twice) throw Error(fmt::format("'{}' is twice among the {}", name, what_among));
    if (!seen.emplace(name, 0).second) throw Error(fmt::format("'{}' is twice among the {}", name, what));
  }
  return places;
}

std::vector<Index> align_features(const MatrixDescription& x, const ModelHeader& header) {
  for (const auto& [names, what] : {std::pair{&x.feature_names, "X"}, {&header.feature_names, "the model"}})
    if (names->empty())
      throw Error(
          fmt::format("{} has no names of features: without names in both nobody knows which column of X is "
                      "which feature of the model (option '--align-features')",
                      what));
  if (x.feature_names == header.feature_names) return {};
  std::vector<Index> columns =
      places_of_names(header.feature_names, "model's features", x.feature_names, "features of X");
  std::vector<std::string> absent;
  std::vector<bool> taken(x.feature_names.size());
  for (std::size_t j = 0; j < columns.size(); ++j) {
    if (columns[j] < 0)
      absent.push_back(header.feature_names[j]);
    else
      taken[static_cast<std::size_t>(columns[j])] = true;
  }
  if (absent.size() == columns.size())
    throw Error(fmt::format("X has none of the model's features: its first is '{}', the model's '{}'",
                            x.feature_names.front(), header.feature_names.front()));
  std::vector<std::string> unknown;
  for (std::size_t j = 0; j < taken.size(); ++j)
    if (!taken[j]) unknown.push_back(x.feature_names[j]);
  if (!absent.empty())
    log_warning(
        fmt::format("X lacks {} of the model's {} features: they are taken to be 0", some_of(absent), columns.size()));
  if (!unknown.empty())
    log_warning(fmt::format("the model does not know {} of the {} features of X: they are left out", some_of(unknown),
                            taken.size()));
  log_information("columns of X are put in the order of the model's features");
  return columns;
}

}  // namespace scanmf
