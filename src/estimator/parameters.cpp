#include "scanmf/estimator/parameters.hpp"

#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <span>

#include "core/nearest_name.hpp"
#include "core/number_text.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf {
namespace {

/// What scikit-learn's messages call the accepted values.
constexpr const char* positive_int = "an int in the range [1, inf)";
constexpr const char* positive_int_or_none = "an int in the range [1, inf) or None";
constexpr const char* non_negative_float = "a float in the range [0, inf)";
constexpr const char* unit_float = "a float in the range [0, 1]";
constexpr const char* boolean = "an instance of 'bool' (true or false)";
constexpr const char* loss_names = "a str among {'frobenius', 'itakura-saito', 'kullback-leibler'} or an instance of 'float'";

enum class Belongs { both, nmf, minibatch_nmf };

/// One parameter: everything that set, get and validate need to know of it.
struct Entry {
  const char* name;
  Belongs belongs;
  const char* accepted;
  std::function<bool(Parameters&, const std::string&)> parse;  // false: the text is no such value
  std::function<std::string(const Parameters&)> text;
  std::function<bool(const Parameters&)> in_range;  // of a parsed value
};

bool is_none(const std::string& text) { return text == "none" || text == "None"; }

bool parse_into(Index& value, const std::string& text) {
  const std::optional<Index> parsed = parse_index(text);
  if (parsed) value = *parsed;
  return parsed.has_value();
}

bool parse_into(double& value, const std::string& text) {
  const std::optional<double> parsed = parse_double(text);
  if (parsed) value = *parsed;
  return parsed.has_value();
}

bool parse_into(bool& value, const std::string& text) {
  const bool is_true = text == "true" || text == "True";
  if (!is_true && text != "false" && text != "False") return false;
  value = is_true;
  return true;
}

template <class T>
bool parse_into(std::optional<T>& value, const std::string& text) {
  if (is_none(text)) {
    value.reset();
    return true;
  }
  T parsed{};
  if (!parse_into(parsed, text)) return false;
  value = parsed;
  return true;
}

std::string text_of(Index value) { return std::to_string(value); }
std::string text_of(double value) { return to_text(value); }
std::string text_of(bool value) { return value ? "true" : "false"; }
template <class T>
std::string text_of(const std::optional<T>& value) {
  return value ? text_of(*value) : "none";
}

bool at_least_one(Index value) { return value >= 1; }
bool at_least_one(const std::optional<Index>& value) { return !value || *value >= 1; }
bool finite_non_negative(double value) { return std::isfinite(value) && value >= 0; }
bool in_unit_interval(double value) { return value >= 0 && value <= 1; }

/// An entry for a member that is parsed and printed by its type alone.
template <class Member, class Check>
Entry simple(const char* name, Belongs belongs, const char* accepted, Member Parameters::*member, Check in_range) {
  return {name,
          belongs,
          accepted,
          [member](Parameters& p, const std::string& text) { return parse_into(p.*member, text); },
          [member](const Parameters& p) { return text_of(p.*member); },
          [member, in_range](const Parameters& p) { return in_range(p.*member); }};
}

/// An entry for a member with a closed set of values.
template <class Enum>
Entry choice(const char* name, Belongs belongs, const char* accepted, Enum Parameters::*member, std::vector<std::pair<const char*, Enum>> names) {
  return {name,
          belongs,
          accepted,
          [member, names](Parameters& p, const std::string& text) {
            for (const auto& [label, value] : names) {
              if (text == label || (is_none(text) && is_none(label))) {
                p.*member = value;
                return true;
              }
            }
            return false;
          },
          [member, names](const Parameters& p) {
            for (const auto& [label, value] : names) {
              if (p.*member == value) return std::string(label);
            }
            return std::string();
          },
          [](const Parameters&) { return true; }};
}

Entry n_components_entry() {
  return {"n_components",
          Belongs::both,
          "an int in the range [1, inf), None or a str among {'auto'}",
          [](Parameters& p, const std::string& text) {
            if (text != "auto") {
              if (!parse_into(p.n_components, text)) return false;
              p.n_components_auto = false;
              return true;
            }
            p.n_components.reset();
            p.n_components_auto = true;
            return true;
          },
          [](const Parameters& p) { return !p.n_components && p.n_components_auto ? "auto" : text_of(p.n_components); },
          [](const Parameters& p) { return at_least_one(p.n_components); }};
}

std::optional<double> loss_of_name(const std::string& name) {
  if (name == "frobenius") return 2.0;
  if (name == "kullback-leibler") return 1.0;
  if (name == "itakura-saito") return 0.0;
  return std::nullopt;
}

Entry beta_loss_entry() {
  return {"beta_loss",
          Belongs::both,
          loss_names,
          [](Parameters& p, const std::string& text) {
            const std::optional<double> named = loss_of_name(text);
            if (!named && !parse_into(p.beta_loss, text)) return false;
            if (named) p.beta_loss = *named;
            p.beta_loss_given = text;
            return true;
          },
          [](const Parameters& p) {
            const std::optional<double> named = loss_of_name(p.beta_loss_given);
            if (named && *named == p.beta_loss) return p.beta_loss_given;
            return text_of(p.beta_loss);
          },
          [](const Parameters& p) { return std::isfinite(p.beta_loss); }};
}

Entry random_state_entry(Belongs belongs) {
  return {"random_state",
          belongs,
          "an int in the range [0, 4294967295] or None",
          [](Parameters& p, const std::string& text) {
            std::optional<Index> seed;
            if (!parse_into(seed, text) || (seed && (*seed < 0 || *seed > 0xffffffffLL))) return false;
            p.random_state = seed ? std::optional<std::uint32_t>(static_cast<std::uint32_t>(*seed)) : std::nullopt;
            return true;
          },
          [](const Parameters& p) { return p.random_state ? std::to_string(*p.random_state) : "none"; },
          [](const Parameters&) { return true; }};
}

Entry alpha_H_entry() {
  return {"alpha_H",
          Belongs::both,
          "a float in the range [0, inf) or a str among {'same'}",
          [](Parameters& p, const std::string& text) {
            if (text == "same") {
              p.alpha_H.reset();
              return true;
            }
            double value = 0;
            if (!parse_into(value, text)) return false;
            p.alpha_H = value;
            return true;
          },
          [](const Parameters& p) { return p.alpha_H ? text_of(*p.alpha_H) : "same"; },
          [](const Parameters& p) { return !p.alpha_H || finite_non_negative(*p.alpha_H); }};
}

Entry verbose_entry() {
  return {"verbose",
          Belongs::both,
          "an int in the range [0, inf) or an instance of 'bool'",
          [](Parameters& p, const std::string& text) {
            bool flag = false;
            if (!parse_into(flag, text)) return parse_into(p.verbose, text);
            p.verbose = flag ? 1 : 0;
            return true;
          },
          [](const Parameters& p) { return text_of(p.verbose); },
          [](const Parameters& p) { return p.verbose >= 0; }};
}

std::vector<Entry> make_entries() {
  const auto any = [](bool) { return true; };
  const auto positive = [](const auto& value) { return at_least_one(value); };
  using P = Parameters;
  return {
      n_components_entry(),
      choice<Init>("init", Belongs::both, "a str among {'custom', 'nndsvd', 'nndsvda', 'nndsvdar', 'random'} or None", &P::init,
                   {{"none", Init::none},
                    {"random", Init::random},
                    {"nndsvd", Init::nndsvd},
                    {"nndsvda", Init::nndsvda},
                    {"nndsvdar", Init::nndsvdar},
                    {"custom", Init::custom}}),
      choice<Solver>("solver", Belongs::nmf, "a str among {'cd', 'mu'}", &P::solver, {{"cd", Solver::cd}, {"mu", Solver::mu}}),
      simple("batch_size", Belongs::minibatch_nmf, positive_int, &P::batch_size, positive),
      beta_loss_entry(),
      simple("tol", Belongs::both, non_negative_float, &P::tol, finite_non_negative),
      simple("max_no_improvement", Belongs::minibatch_nmf, positive_int_or_none, &P::max_no_improvement, positive),
      simple("max_iter", Belongs::both, positive_int, &P::max_iter, positive),
      random_state_entry(Belongs::nmf),
      simple("alpha_W", Belongs::both, non_negative_float, &P::alpha_W, finite_non_negative),
      alpha_H_entry(),
      simple("l1_ratio", Belongs::both, unit_float, &P::l1_ratio, in_unit_interval),
      simple("forget_factor", Belongs::minibatch_nmf, unit_float, &P::forget_factor, in_unit_interval),
      simple("fresh_restarts", Belongs::minibatch_nmf, boolean, &P::fresh_restarts, any),
      simple("fresh_restarts_max_iter", Belongs::minibatch_nmf, positive_int, &P::fresh_restarts_max_iter, positive),
      simple("transform_max_iter", Belongs::minibatch_nmf, positive_int_or_none, &P::transform_max_iter, positive),
      random_state_entry(Belongs::minibatch_nmf),
      verbose_entry(),
      simple("shuffle", Belongs::nmf, boolean, &P::shuffle, any),
      choice<SvdMethod>("svd", Belongs::both, "a str among {'exact', 'randomized'}", &P::svd,
                        {{"randomized", SvdMethod::randomized}, {"exact", SvdMethod::exact}}),
      choice<RandomGenerator>("random_generator", Belongs::both, "a str among {'auto', 'counter', 'numpy'}", &P::random_generator,
                              {{"auto", RandomGenerator::automatic}, {"numpy", RandomGenerator::numpy}, {"counter", RandomGenerator::counter}}),
  };
}

std::span<const Entry> entries() {
  static const std::vector<Entry> all = make_entries();
  return all;
}

bool has(Estimator estimator, Belongs belongs) { return belongs == Belongs::both || (belongs == Belongs::nmf) == (estimator == Estimator::nmf); }

const Entry& find_entry(Estimator estimator, const std::string& name) {
  bool of_the_other = false;
  for (const Entry& entry : entries()) {
    if (name != entry.name) continue;
    if (has(estimator, entry.belongs)) return entry;
    of_the_other = true;
  }
  const Estimator other = estimator == Estimator::nmf ? Estimator::minibatch_nmf : Estimator::nmf;
  if (of_the_other) throw UsageError(fmt::format("'{}' is a parameter of {}, not of {}.", name, class_name(other), class_name(estimator)));
  throw UsageError(
      fmt::format("{} has no parameter '{}'. Did you mean '{}'?", class_name(estimator), name, nearest_name(name, Parameters::names(estimator))));
}

/// The value as Python would show it: numbers and None as they are, text in quotes.
std::string shown(const std::string& text) {
  if (is_none(text)) return "None";
  return parse_double(text) ? text : fmt::format("'{}'", text);
}

std::string mistake(Estimator estimator, const Entry& entry, const std::string& text) {
  return fmt::format("The '{}' parameter of {} must be {}. Got {} instead.", entry.name, class_name(estimator), entry.accepted, shown(text));
}

/// beta_loss in the words of whoever set it.
std::string shown_beta_loss(const Parameters& p) {
  const std::optional<double> named = loss_of_name(p.beta_loss_given);
  const std::optional<double> given = named ? named : parse_double(p.beta_loss_given);
  return given && *given == p.beta_loss ? shown(p.beta_loss_given) : fmt::format("{}", p.beta_loss);
}

}  // namespace

std::vector<std::string> Parameters::validate() const {
  std::vector<std::string> mistakes;
  for (const Entry& entry : entries()) {
    if (!has(estimator, entry.belongs) || entry.in_range(*this)) continue;
    std::string text = entry.text(*this);
    if (text.ends_with(".0")) text.resize(text.size() - 2);  // whether 3 or 3.0 was meant is not known any more
    mistakes.push_back(mistake(estimator, entry, text));
  }
  if (estimator == Estimator::nmf && solver == Solver::cd && std::isfinite(beta_loss) && beta_loss != 2) {
    mistakes.push_back(fmt::format("Invalid beta_loss parameter: solver 'cd' does not handle beta_loss = {}", shown_beta_loss(*this)));
  }
  return mistakes;
}

void Parameters::set(const std::string& name, const std::string& text) {
  const Entry& entry = find_entry(estimator, name);
  if (!entry.parse(*this, text)) throw UsageError(mistake(estimator, entry, text));
}

std::string Parameters::get(const std::string& name) const { return find_entry(estimator, name).text(*this); }

std::vector<std::string> Parameters::names() const { return names(estimator); }

std::vector<std::string> Parameters::names(Estimator estimator) {
  std::vector<std::string> result;
  for (const Entry& entry : entries()) {
    if (has(estimator, entry.belongs)) result.emplace_back(entry.name);
  }
  return result;
}

const char* class_name(Estimator estimator) { return estimator == Estimator::nmf ? "NMF" : "MiniBatchNMF"; }
const char* option_name(Estimator estimator) { return estimator == Estimator::nmf ? "nmf" : "minibatch-nmf"; }

const char* name_of(Init init) {
  switch (init) {
    case Init::none:
      return "none";
    case Init::random:
      return "random";
    case Init::nndsvd:
      return "nndsvd";
    case Init::nndsvda:
      return "nndsvda";
    case Init::nndsvdar:
      return "nndsvdar";
    case Init::custom:
      return "custom";
  }
  return "";
}

const char* name_of(Solver solver) { return solver == Solver::cd ? "cd" : "mu"; }

}  // namespace scanmf
