#include "estimator/parameter_domain.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "core/number_text.hpp"

namespace scanmf {
namespace {

std::optional<bool> parse_bool(const std::string& text) {
  if (text == "true" || text == "True") return true;
  if (text == "false" || text == "False") return false;
  return std::nullopt;
}

}  // namespace

ParameterDomain& ParameterDomain::integers(Index least, Index most) {
  integers_ = {least, most};
  const bool open = most == std::numeric_limits<Index>::max();
  phrases_.push_back(fmt::format("an int in the range [{}, {}", least, open ? "inf)" : std::to_string(most) + "]"));
  return *this;
}

ParameterDomain& ParameterDomain::reals(double least, double most) {
  reals_ = {least, most};
  phrases_.push_back(fmt::format("a float in the range [{}, {}{}", least, most, most == unlimited ? ')' : ']'));
  return *this;
}

ParameterDomain& ParameterDomain::reals() {
  reals_ = {-unlimited, unlimited};
  phrases_.emplace_back("an instance of 'float'");
  return *this;
}

ParameterDomain& ParameterDomain::booleans() {
  booleans_ = true;
  phrases_.emplace_back(phrases_.empty() ? "an instance of 'bool' (true or false)" : "an instance of 'bool'");
  return *this;
}

ParameterDomain& ParameterDomain::words(std::vector<std::string> words) {
  words_ = words;
  std::sort(words.begin(), words.end());
  phrases_.push_back(fmt::format("a str among {{'{}'}}", fmt::join(words, "', '")));
  return *this;
}

ParameterDomain& ParameterDomain::none() {
  none_ = true;
  phrases_.emplace_back("None");
  return *this;
}

std::optional<ParameterValue> ParameterDomain::parse(const std::string& text) const {
  if (none_ && is_none(text)) return std::make_optional<ParameterValue>();
  if (std::find(words_.begin(), words_.end(), text) != words_.end()) return text;
  if (const std::optional<bool> flag = booleans_ ? parse_bool(text) : std::nullopt) return *flag;
  if (const std::optional<Index> integer = integers_ ? parse_index(text) : std::nullopt) return *integer;
  if (const std::optional<double> real = reals_ ? parse_double(text) : std::nullopt) return *real;
  return std::nullopt;
}

std::optional<ParameterValue> ParameterDomain::convert(const ParameterValue& value) const {
  if (const auto* integer = std::get_if<Index>(&value)) {
    if (integers_) return value;
    return reals_ ? std::optional<ParameterValue>(static_cast<double>(*integer)) : std::nullopt;
  }
  const auto* word = std::get_if<std::string>(&value);
  const bool fits = word != nullptr ? std::find(words_.begin(), words_.end(), *word) != words_.end()
                    : std::holds_alternative<bool>(value)   ? booleans_
                    : std::holds_alternative<double>(value) ? reals_.has_value()
                                                            : none_;
  return fits ? std::optional(value) : std::nullopt;
}

bool ParameterDomain::contains(const ParameterValue& value) const {
  if (const auto* integer = std::get_if<Index>(&value))
    return integers_ && *integer >= integers_->least && *integer <= integers_->most;
  if (const auto* real = std::get_if<double>(&value))
    return reals_ && std::isfinite(*real) && *real >= reals_->least && *real <= reals_->most;
  return true;
}

std::string ParameterDomain::accepted() const {
  if (phrases_.size() == 1) return phrases_.front();
  return fmt::format("{} or {}", fmt::join(phrases_.begin(), phrases_.end() - 1, ", "), phrases_.back());
}

std::string ParameterDomain::values() const {
  std::vector<std::string> all;
  if (integers_) all.emplace_back("N");
  all.insert(all.end(), words_.begin(), words_.end());
  if (reals_) all.insert(integers_ || words_.size() > 1 ? all.end() : all.begin(), "NUMBER");
  if (none_) all.emplace_back("none");
  if (booleans_ && all.empty()) return "true|false";
  return fmt::format("{}", fmt::join(all, "|"));
}

bool is_none(const std::string& text) { return text == "none" || text == "None"; }

std::string text_of(const ParameterValue& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* integer = std::get_if<Index>(&value)) return std::to_string(*integer);
  if (const auto* real = std::get_if<double>(&value)) return to_text(*real);
  return "none";
}

}  // namespace scanmf
