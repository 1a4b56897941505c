#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "scanmf/estimator/parameters.hpp"

namespace scanmf::app {

enum class Command : unsigned {
  fit,
  partial_fit,
  transform,
  inverse_transform,
  inspect,
  convert,
  generate,
  ensemble,
  select,
  export_model,
  estimate,
  watch,
  stop,
  predict
};

/// A set of commands, one bit each.
using Commands = unsigned;
constexpr Commands operator|(Command a, Command b) {
  return 1U << static_cast<unsigned>(a) | 1U << static_cast<unsigned>(b);
}
constexpr Commands operator|(Commands a, Command b) { return a | 1U << static_cast<unsigned>(b); }
constexpr Commands only(Command a) { return 1U << static_cast<unsigned>(a); }
constexpr bool contains(Commands commands, Command command) { return (commands & only(command)) != 0; }

struct CommandInfo {
  Command command;
  const char* name;       // "partial-fit"
  const char* arguments;  // "X --model M [options]"
  const char* summary;
  int fewest_inputs;
  int most_inputs;
};
std::span<const CommandInfo> command_table();
const CommandInfo& info(Command command);

/// One option of the command line and of --config files: a parameter of the estimators as it is declared
/// (parameter_table()), or an option of commands, declared in option_table.cpp.
struct Option {
  std::string name;  // without "--"
  char letter;       // short form, 0: none
  // What it takes, for the help and for checking: alternatives separated by '|'. Lower case: that very word; N: an
  // integer >= 1; anything else in upper case: any text.
  std::string values;
  std::string bare;                // what it means without a value; empty: it needs one
  const ParameterInfo* parameter;  // that it sets, which then checks the value; nullptr: none
  std::string fallback;            // default; "" when there is none
  Commands commands;
  std::string help;
};
std::span<const Option> option_table();

/// nullptr when there is no option of this name.
const Option* find_option(std::string_view name);
const Option* find_option(char letter);
/// The option that a word like "--name" or "-n" is, without a value in the same word.
const Option* bare_option(const std::string& word);

/// Those of a command, as it takes them: defaults, and what -k is, differ between commands.
std::vector<Option> options_of(Command command);

/// False when the option sets a parameter that this estimator has not.
bool belongs_to(const Option& option, Estimator estimator);

/// What convert is told of text, and whether that is said of files of a --format ("npy", "triplets").
inline constexpr std::array options_of_text = {"header", "row-names", "delimiter", "decimal", "na"};
constexpr bool is_of_format(std::string_view option_of_text, std::string_view format) {
  return format == "text" || (format == "triplets" && option_of_text != "row-names");
}

/// Of generate without -k.
constexpr Index components_to_plant = 5;

/// Its default, which may differ between commands. Empty where there is none.
std::string fallback_of(const Option& option, Command command);
/// Its name alone says true, and that is not the default.
bool is_flag(const Option& option);
/// What it means, for which estimator, and its default, as the help and the manual have it.
std::string meaning(const Option& option);
/// Those of option.values that are words to be typed as they are.
std::vector<std::string> words_of(const Option& option);

/// An explanation when `text` is not among option.values; empty otherwise (and for parameters, which check themselves).
std::string refusal(const Option& option, const std::string& text);

/// The value of `option` that `text` is another spelling of: words in any case ("MU"), and short names of losses
/// ("kl"); else `text` itself.
std::string spelled_out(const Option& option, const std::string& text);

std::string general_help();
std::string command_help(Command command);

}  // namespace scanmf::app
