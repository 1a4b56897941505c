#include "ensemble/options.hpp"

#include <algorithm>

#include "core/number_text.hpp"
#include "estimator/factor_memory.hpp"
#include "scanmf/solver/loss.hpp"

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

/// The one of `all` that has this name.
template <class Value>
std::optional<Value> named(const std::string& name, std::initializer_list<Value> all) {
  for (const Value one : all)
    if (name == name_of(one)) return one;
  return std::nullopt;
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

const char* name_of(Selection selection) {
  constexpr const char* names[] = {"stability", "bicv", "speckled"};
  return names[static_cast<std::size_t>(selection)];
}

const char* name_of(Matching matching) { return matching == Matching::k_means ? "kmeans" : "hungarian"; }

const char* name_of(Resampling resampling) {
  constexpr const char* names[] = {"none", "poisson", "multinomial", "uniform"};
  return names[static_cast<std::size_t>(resampling)];
}

std::optional<Selection> parse_selection(const std::string& name) {
  return named(name, {Selection::stability, Selection::bi_cross_validation, Selection::speckled});
}

std::optional<Matching> parse_matching(const std::string& name) {
  return named(name, {Matching::k_means, Matching::hungarian});
}

std::optional<Resampling> parse_resampling(const std::string& name) {
  return named(name, {Resampling::none, Resampling::poisson, Resampling::multinomial, Resampling::uniform});
}

std::vector<std::string> mistakes_of(const EnsembleOptions& options, const Parameters& parameters) {
  std::vector<std::string> mistakes;
  const auto require = [&](bool is_right, const char* mistake) {
    if (!is_right) mistakes.emplace_back(mistake);
  };
  require(!options.ks.empty(), "an ensemble needs at least one number of components (option '-k')");
  require(options.replicates >= 1, "an ensemble needs at least one replicate (option '--replicates')");
  require(options.neighbourhood > 0 && options.neighbourhood <= 1,
          "the neighbourhood must be more than 0 and at most 1 (option '--neighbourhood')");
  require(options.density_threshold > 0, "the density threshold must be more than 0 (option '--density-threshold')");
  require(options.resample_width > 0 && options.resample_width <= 1,
          "the width of resampling must be more than 0 and at most 1 (option '--resample-width')");
  require(options.connectivity_rows >= 0, "connectivity needs rows (option '--connectivity-rows')");
  const bool draws_zeros = options.resample == Resampling::poisson || options.resample == Resampling::multinomial;
  require(!draws_zeros || loss_of(parameters.beta_loss).allows_zeros,
          "counts that are drawn can be 0, which a beta_loss of 0 and below does not allow: take --resample uniform");
  require(!draws_zeros || parameters.missing != Missing::zero,
          "counts that are drawn can be 0, which --missing zero takes for not observed: take --resample uniform");
  require(options.select == Selection::stability || parameters.estimator == Estimator::nmf,
          "a cross-validation holds out parts of one fit of all rows, which minibatch-nmf has not: take --select "
          "stability, or --estimator nmf");
  require(options.holdout > 0 && options.holdout < 1,
          "the share that is held out must be more than 0 and less than 1 (option '--holdout')");
  require(options.select_repeats >= 1 && options.select_repeats <= 10000,
          "a cross-validation needs from 1 to 10000 repeats (option '--select-repeats')");
  return mistakes;
}

ObservedSums observed_sums(const Parameters& parameters, const EnsembleOptions& options, StorageKind kind) {
  Parameters fitted = parameters;
  if (options.select == Selection::speckled && fitted.missing == Missing::none) fitted.missing = Missing::nan;
  return observed_sums(fitted, kind);
}

Attributes replicate_attributes(const EnsembleOptions& options) {
  Attributes attributes{{"resample", std::string(name_of(options.resample))}};
  if (options.resample == Resampling::uniform) attributes.emplace_back("resample_width", options.resample_width);
  if (options.connectivity_rows > 0) attributes.emplace_back("connectivity_rows", options.connectivity_rows);
  return attributes;
}

Attributes attributes_of(const EnsembleOptions& options) {
  Attributes attributes{{"replicates", options.replicates},
                        {"neighbourhood", options.neighbourhood},
                        {"density_threshold", options.density_threshold},
                        {"match", std::string(name_of(options.matching()))}};
  for (auto& option : replicate_attributes(options)) attributes.push_back(std::move(option));
  if (options.select == Selection::bi_cross_validation) attributes.emplace_back("folds", options.folds);
  if (options.select == Selection::speckled) {
    attributes.emplace_back("holdout", options.holdout);
    attributes.emplace_back("select_repeats", options.select_repeats);
  }
  return attributes;
}

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
      {"cophenetic", &MeasuresOfK::cophenetic, true},
      {"dispersion", &MeasuresOfK::dispersion, true},
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
