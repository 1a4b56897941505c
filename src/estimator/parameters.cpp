#include "scanmf/estimator/parameters.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <span>

#include "core/nearest_name.hpp"
#include "core/number_text.hpp"
#include "estimator/parameter_domain.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf {
namespace {

/// How a parameter is read from Parameters and written there. set: false when the member cannot hold the value.
struct Access {
  std::function<ParameterValue(const Parameters&)> get;
  std::function<bool(Parameters&, const ParameterValue&)> set;
};

/// One parameter: everything that is known of it beside its member of Parameters, which has the type and the default.
struct Declaration {
  ParameterInfo info;
  ParameterDomain domain;
  Access access;
};

// Values of the domain's types into members, and back.

bool assign(Index& member, const ParameterValue& value) {
  const auto* flag = std::get_if<bool>(&value);
  member = flag != nullptr ? Index{*flag} : std::get<Index>(value);
  return true;
}

bool assign(std::uint32_t& member, const ParameterValue& value) {
  const Index integer = std::get<Index>(value);
  if (integer < 0 || integer > std::numeric_limits<std::uint32_t>::max()) return false;
  member = static_cast<std::uint32_t>(integer);
  return true;
}

template <class T>
bool assign(T& member, const ParameterValue& value) {
  member = std::get<T>(value);
  return true;
}

/// None, and words in place of a number, leave it empty.
template <class T>
bool assign(std::optional<T>& member, const ParameterValue& value) {
  member.reset();
  if (std::holds_alternative<std::monostate>(value) || std::holds_alternative<std::string>(value)) return true;
  T content{};
  if (!assign(content, value)) return false;
  member = content;
  return true;
}

template <class T>
ParameterValue value_of(const T& member) {
  return member;
}
ParameterValue value_of(std::uint32_t member) { return Index{member}; }
template <class T>
ParameterValue value_of(const std::optional<T>& member) {
  return member ? value_of(*member) : ParameterValue();
}

template <class T>
Access member(T Parameters::*member) {
  return {[member](const Parameters& p) { return value_of(p.*member); },
          [member](Parameters& p, const ParameterValue& value) { return assign(p.*member, value); }};
}

/// A number, or a word in its place.
template <class T>
Access member_or(const char* word, std::optional<T> Parameters::*member) {
  return {[word, member](const Parameters& p) { return p.*member ? value_of(*(p.*member)) : ParameterValue(word); },
          [member](Parameters& p, const ParameterValue& value) { return assign(p.*member, value); }};
}

template <class Enum>
using Names = std::vector<std::pair<const char*, Enum>>;  // "none" is None

template <class Enum>
Access member(Enum Parameters::*member, Names<Enum> names) {
  return {[member, names](const Parameters& p) {
            const auto found =
                std::find_if(names.begin(), names.end(), [&](const auto& name) { return name.second == p.*member; });
            return is_none(found->first) ? ParameterValue() : ParameterValue(found->first);
          },
          [member, names](Parameters& p, const ParameterValue& value) {
            const std::string word = text_of(value);
            p.*member =
                std::find_if(names.begin(), names.end(), [&](const auto& name) { return name.first == word; })->second;
            return true;
          }};
}

Access n_components_member() {
  return {[](const Parameters& p) {
            return !p.n_components && p.n_components_auto ? ParameterValue("auto") : value_of(p.n_components);
          },
          [](Parameters& p, const ParameterValue& value) {
            p.n_components_auto = std::holds_alternative<std::string>(value);
            return assign(p.n_components, value);
          }};
}

std::optional<double> loss_of_name(const std::string& name) {
  if (name == "frobenius") return 2.0;
  if (name == "kullback-leibler") return 1.0;
  if (name == "itakura-saito") return 0.0;
  return std::nullopt;
}

Access beta_loss_member() {
  return {[](const Parameters& p) {
            return loss_of_name(p.beta_loss_name) == p.beta_loss ? ParameterValue(p.beta_loss_name) : p.beta_loss;
          },
          [](Parameters& p, const ParameterValue& value) {
            const auto* name = std::get_if<std::string>(&value);
            p.beta_loss = name != nullptr ? *loss_of_name(*name) : std::get<double>(value);
            p.beta_loss_name = name != nullptr ? *name : "";
            return true;
          }};
}

const Names<Init> init_names = {{"random", Init::random},     {"nndsvd", Init::nndsvd}, {"nndsvda", Init::nndsvda},
                                {"nndsvdar", Init::nndsvdar}, {"custom", Init::custom}, {"none", Init::none}};
const Names<Solver> solver_names = {{"cd", Solver::cd}, {"mu", Solver::mu}};
const Names<Acceleration> acceleration_names = {
    {"none", Acceleration::none}, {"sweeps", Acceleration::sweeps}, {"extrapolation", Acceleration::extrapolation}};
const Names<SvdMethod> svd_names = {{"randomized", SvdMethod::randomized}, {"exact", SvdMethod::exact}};
const Names<RandomGenerator> generator_names = {
    {"auto", RandomGenerator::automatic}, {"numpy", RandomGenerator::numpy}, {"counter", RandomGenerator::counter}};
const Names<Missing> missing_names = {{"none", Missing::none}, {"nan", Missing::nan}, {"zero", Missing::zero}};
const Names<MissingEmpty> missing_empty_names = {{"refuse", MissingEmpty::refuse}, {"keep", MissingEmpty::keep}};

template <class Enum>
ParameterDomain one_of(const Names<Enum>& names) {
  std::vector<std::string> words;
  bool none = false;
  for (const auto& [name, value] : names) {
    if (is_none(name)) {
      none = true;
    } else {
      words.emplace_back(name);
    }
  }
  ParameterDomain domain;
  domain.words(words);
  return none ? domain.none() : domain;
}

// The declarations, in the order of scikit-learn's NMF, scanmf's own last. The help is that of the command line:
// "--alpha-h" for alpha_H.

using P = Parameters;
using Domain = ParameterDomain;
constexpr std::optional<Estimator> both = std::nullopt;
constexpr std::optional<Estimator> nmf = Estimator::nmf;
constexpr std::optional<Estimator> minibatch = Estimator::minibatch_nmf;

// {name, short option, only estimator, help}, domain, member
std::vector<Declaration> of_scikit_learn() {
  return {
      {{"n_components", 'k', both, "number of components; none: as many as X has columns"},
       Domain().integers(1).none().words({"auto"}),
       n_components_member()},
      {{"init", 0, both, "how W and H begin; none: nndsvda where it is possible, else random"},
       one_of(init_names),
       member(&P::init, init_names)},
      {{"solver", 0, nmf, "coordinate descent or multiplicative updates"},
       one_of(solver_names),
       member(&P::solver, solver_names)},
      {{"batch_size", 0, minibatch, "rows of a mini-batch"}, Domain().integers(1), member(&P::batch_size)},
      {{"beta_loss", 0, both, "what is minimised: a name, or the number beta"},
       Domain().words({"frobenius", "kullback-leibler", "itakura-saito"}).reals(),
       beta_loss_member()},
      {{"tol", 0, both, "stop when the relative change falls below"}, Domain().reals(0, unlimited), member(&P::tol)},
      {{"max_no_improvement", 0, minibatch, "stop after so many steps without a smaller smoothed cost"},
       Domain().integers(1).none(),
       member(&P::max_no_improvement)},
      {{"max_iter", 0, both, "most iterations, or passes over X"}, Domain().integers(1), member(&P::max_iter)},
      {{"random_state", 0, both, "seed; none: drawn and logged"},
       Domain().integers(0, 0xffffffff).none(),
       member(&P::random_state)},
      {{"alpha_W", 0, both, "strength of the penalty on W"}, Domain().reals(0, unlimited), member(&P::alpha_W)},
      {{"alpha_H", 0, both, "strength of the penalty on H; same: as --alpha-w"},
       Domain().reals(0, unlimited).words({"same"}),
       member_or("same", &P::alpha_H)},
      {{"l1_ratio", 0, both, "share of L1 in the penalties, from 0 (all L2) to 1 (all L1)"},
       Domain().reals(0, 1),
       member(&P::l1_ratio)},
      {{"forget_factor", 0, minibatch, "weight of the past after a pass, from 0 to 1"},
       Domain().reals(0, 1),
       member(&P::forget_factor)},
      {{"fresh_restarts", 0, minibatch, "solve W anew in each step"}, Domain().booleans(), member(&P::fresh_restarts)},
      {{"fresh_restarts_max_iter", 0, minibatch, "most iterations of that"},
       Domain().integers(1),
       member(&P::fresh_restarts_max_iter)},
      {{"transform_max_iter", 0, minibatch, "most iterations of transform; none: --max-iter"},
       Domain().integers(1).none(),
       member(&P::transform_max_iter)},
      {{"verbose", 'v', both, "more messages"}, Domain().integers(0).booleans(), member(&P::verbose)},
      {{"shuffle", 0, nmf, "coordinate descent in random order"}, Domain().booleans(), member(&P::shuffle)},
  };
}

std::vector<Declaration> of_scanmf() {
  return {
      {{"svd", 0, both, "for --init nndsvd*; exact: for dense X only"}, one_of(svd_names), member(&P::svd, svd_names)},
      {{"random_generator", 0, both,
        "numpy: scikit-learn's draws; counter: for huge factors; auto: numpy up to 2^26 draws"},
       one_of(generator_names),
       member(&P::random_generator, generator_names)},
      {{"acceleration", 0, nmf, "of solver cd, for fewer passes over X; none: scikit-learn's steps"},
       one_of(acceleration_names),
       member(&P::acceleration, acceleration_names)},
      {{"missing", 0, both,
        "entries that were not observed, and are left out: NaN, or zero (only what is not 0 is observed)"},
       one_of(missing_names),
       member(&P::missing, missing_names)},
      {{"missing_empty", 0, both, "rows and columns without observed entries: refuse; keep: their factors are 0"},
       one_of(missing_empty_names),
       member(&P::missing_empty, missing_empty_names)},
      {{"strata", 0, both,
        "parts of a pass in which sums are formed, the most threads that share it; auto: by X alone"},
       Domain().integers(1).words({"auto"}),
       member_or("auto", &P::strata)},
  };
}

/// What follows from a declaration.
void complete(Declaration& declaration) {
  ParameterInfo& info = declaration.info;
  info.option = info.name;
  for (char& c : info.option) c = c == '_' ? '-' : static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  info.values = declaration.domain.values();
  if (declaration.domain.convert(true)) info.bare = declaration.domain.convert(Index{1}) ? "1" : "true";
  info.accepted = declaration.domain.accepted();
  info.fallback = declaration.access.get(Parameters());
}

const std::vector<Declaration>& declarations() {
  static const std::vector<Declaration> all = [] {
    std::vector<Declaration> result = of_scikit_learn();
    const std::vector<Declaration> own = of_scanmf();
    result.insert(result.end(), own.begin(), own.end());
    for (Declaration& declaration : result) complete(declaration);
    return result;
  }();
  return all;
}

const Declaration& find_declaration(Estimator estimator, const std::string& name) {
  const auto& all = declarations();
  const auto found = std::find_if(all.begin(), all.end(), [&](const Declaration& d) { return d.info.name == name; });
  if (found == all.end())
    throw UsageError(fmt::format("{} has no parameter '{}'. Did you mean '{}'?", class_name(estimator), name,
                                 nearest_name(name, Parameters::names(estimator))));
  if (!found->info.belongs_to(estimator))
    throw UsageError(fmt::format("'{}' is a parameter of {}, not of {}.", name, class_name(*found->info.only),
                                 class_name(estimator)));
  return *found;
}

/// The value as Python would show it: numbers and None as they are, text in quotes.
std::string shown(const std::string& text) {
  if (is_none(text)) return "None";
  return parse_double(text) ? text : fmt::format("'{}'", text);
}

std::string mistake(Estimator estimator, const Declaration& declaration, const std::string& text) {
  return fmt::format("The '{}' parameter of {} must be {}. Got {} instead.", declaration.info.name,
                     class_name(estimator), declaration.info.accepted, shown(text));
}

/// Whether 3 or 3.0 was meant is not known any more.
std::string shortest_text(const ParameterValue& value) {
  std::string text = text_of(value);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text;
}

template <class Enum>
const char* name_in(const Names<Enum>& names, Enum value) {
  return std::find_if(names.begin(), names.end(), [&](const auto& name) { return name.second == value; })->first;
}

}  // namespace

std::vector<std::string> Parameters::validate() const {
  std::vector<std::string> mistakes;
  for (const Declaration& declaration : declarations()) {
    const ParameterValue value = declaration.access.get(*this);
    if (declaration.info.belongs_to(estimator) && !declaration.domain.contains(value))
      mistakes.push_back(mistake(estimator, declaration, shortest_text(value)));
  }
  if (estimator == Estimator::nmf && solver == Solver::cd && std::isfinite(beta_loss) && beta_loss != 2) {
    mistakes.push_back(fmt::format("Invalid beta_loss parameter: solver 'cd' does not handle beta_loss = {}",
                                   shown(shortest_text(this->value("beta_loss")))));
  }
  if (estimator == Estimator::nmf && solver == Solver::mu && acceleration != Acceleration::none)
    mistakes.push_back(fmt::format(
        "Invalid acceleration parameter: solver 'mu' does not handle acceleration = {}; use solver 'cd', or "
        "leave acceleration out",
        shown(get("acceleration"))));
  return mistakes;
}

void Parameters::set(const std::string& name, const std::string& text) {
  const Declaration& declaration = find_declaration(estimator, name);
  const std::optional<ParameterValue> value = declaration.domain.parse(text);
  if (!value || !declaration.access.set(*this, *value)) throw UsageError(mistake(estimator, declaration, text));
}

void Parameters::set_value(const std::string& name, const ParameterValue& value) {
  const Declaration& declaration = find_declaration(estimator, name);
  const std::optional<ParameterValue> converted = declaration.domain.convert(value);
  if (!converted || !declaration.access.set(*this, *converted))
    throw UsageError(mistake(estimator, declaration, text_of(value)));
}

std::string Parameters::get(const std::string& name) const { return text_of(value(name)); }

ParameterValue Parameters::value(const std::string& name) const {
  return find_declaration(estimator, name).access.get(*this);
}

std::vector<std::string> Parameters::names() const { return names(estimator); }

std::vector<std::string> Parameters::names(Estimator estimator) {
  std::vector<std::string> result;
  for (const Declaration& declaration : declarations())
    if (declaration.info.belongs_to(estimator)) result.push_back(declaration.info.name);
  if (estimator == Estimator::minibatch_nmf) {  // whose random_state stands before verbose
    const auto seed = std::find(result.begin(), result.end(), "random_state");
    std::rotate(seed, seed + 1, std::find(result.begin(), result.end(), "verbose"));
  }
  return result;
}

std::span<const ParameterInfo> parameter_table() {
  static const std::vector<ParameterInfo> table = [] {
    std::vector<ParameterInfo> result;
    for (const Declaration& declaration : declarations()) result.push_back(declaration.info);
    return result;
  }();
  return table;
}

const char* class_name(Estimator estimator) { return estimator == Estimator::nmf ? "NMF" : "MiniBatchNMF"; }
const char* option_name(Estimator estimator) { return estimator == Estimator::nmf ? "nmf" : "minibatch-nmf"; }
const char* name_of(Init init) { return name_in(init_names, init); }
const char* name_of(Solver solver) { return name_in(solver_names, solver); }

}  // namespace scanmf
