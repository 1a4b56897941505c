#include <algorithm>

#include "core/number_text.hpp"
#include "scanmf/model/model_file.hpp"

namespace scanmf {

const Attribute* find_attribute(const Attributes& attributes, std::string_view name) {
  const auto found = std::ranges::find(attributes, name, &Attributes::value_type::first);
  return found == attributes.end() ? nullptr : &found->second;
}

std::string text_of(const Attribute& value) {
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* integer = std::get_if<Index>(&value)) return std::to_string(*integer);
  return to_text(std::get<double>(value));
}

}  // namespace scanmf
