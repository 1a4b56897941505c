#include "app/command_line.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <sstream>

#include "core/nearest_name.hpp"
#include "core/number_text.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::app {
namespace {

namespace po = boost::program_options;

const po::options_description& descriptions() {
  static const po::options_description all = [] {
    po::options_description result;
    for (const Option& option : option_table()) {
      const std::string names = option.letter != 0 ? fmt::format("{},{}", option.name, option.letter) : option.name;
      result.add_options()(names.c_str(), po::value<std::string>());
    }
    return result;
  }();
  return all;
}

bool is_value_of_bare(const Option& option, const std::string& word) {
  const bool has_auto = option.values.starts_with("auto|");
  return word == "true" || word == "false" || (has_auto && word == "auto") ||
         (option.values == "N" && parse_index(word));
}

/// Options that may stand alone take the next word only when it can be nothing but their value.
std::vector<po::option> parse_bare_option(std::vector<std::string>& words) {
  const Option* option = bare_option(words.front());
  if (option == nullptr || option->bare.empty()) return {};
  const std::size_t taken = words.size() > 1 && is_value_of_bare(*option, words[1]) ? 2 : 1;
  po::option result(option->name, {taken == 2 ? words[1] : option->bare});
  result.original_tokens.assign(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(taken));
  words.erase(words.begin(), words.begin() + static_cast<std::ptrdiff_t>(taken));
  return {result};
}

/// The words as options and positional ones. What Program_options cannot make sense of becomes a mistake and is left
/// out.
std::vector<po::option> parse_words(std::vector<std::string> words, std::vector<std::string>& mistakes) {
  namespace style = po::command_line_style;
  constexpr int styles = style::allow_long | style::long_allow_adjacent | style::long_allow_next | style::allow_short |
                         style::allow_dash_for_short | style::short_allow_adjacent | style::short_allow_next;
  for (;;) {
    std::string culprit;
    try {
      return po::command_line_parser(words)
          .options(descriptions())
          .style(styles)
          .allow_unregistered()
          .extra_style_parser(parse_bare_option)
          .run()
          .options;
    } catch (const po::error_with_option_name& error) {
      mistakes.emplace_back(error.what());
      culprit = error.get_option_name();
    } catch (const po::error& error) {
      mistakes.emplace_back(error.what());
    }
    const Option* option = bare_option(culprit);
    // The last occurrence: an option without its value is most often the last word.
    const auto found = std::find_if(words.rbegin(), words.rend(), [&](const std::string& word) {
      return word == culprit || word.starts_with(culprit + "=") ||
             (option != nullptr && option->letter != 0 && word == fmt::format("-{}", option->letter));
    });
    if (culprit.empty() || found == words.rend()) return {};
    words.erase(std::next(found).base());
  }
}

std::vector<std::string> option_names(Command command) {
  std::vector<std::string> names;
  for (const Option& option : option_table()) {
    if (contains(option.commands, command)) names.emplace_back(option.name);
  }
  return names;
}

std::string unknown_option(Command command, const std::string& word) {
  if (!word.starts_with("--"))
    return fmt::format("unknown option '{}', see scanmf {} --help", word, info(command).name);
  const std::string name = word.substr(0, word.find('='));
  if (name.size() == 3 && find_option(name[2]) != nullptr)
    return fmt::format("unknown option '{}', '-{}' is one", name, name[2]);
  const std::string near =
      near_name(name.substr(std::min(name.find_first_not_of('-'), name.size())), option_names(command));
  if (near.empty()) return fmt::format("unknown option '{}', see scanmf {} --help", name, info(command).name);
  return fmt::format("unknown option '{}', the nearest one is '--{}'", name, near);
}

std::string trimmed(const std::string& text) {
  constexpr const char* blanks = " \t\r";
  const std::size_t begin = text.find_first_not_of(blanks);
  return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(blanks) - begin + 1);
}

/// A line of a configuration file up to its comment, which begins with a '#' at the beginning or after a blank: 'output
/// = a#b.h5' has none.
std::string without_comment(const std::string& line) {
  for (std::size_t i = line.find('#'); i != std::string::npos; i = line.find('#', i + 1))
    if (i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t') return line.substr(0, i);
  return line;
}

}  // namespace

Command parse_command(const std::string& word) {
  std::vector<std::string> names;
  for (const CommandInfo& command : command_table()) {
    if (word == command.name) return command.command;
    names.emplace_back(command.name);
  }
  if (word.starts_with('-'))
    throw UsageError(
        fmt::format("'{}' where a command is expected; the commands are: {}", word, fmt::join(names, ", ")));
  throw UsageError(fmt::format("unknown command '{}', the nearest one is '{}'; the commands are: {}", word,
                               nearest_name(word, names), fmt::join(names, ", ")));
}

void throw_mistakes(const std::vector<std::string>& mistakes) {
  if (!mistakes.empty()) throw UsageError(fmt::format("{}", fmt::join(mistakes, "\n")));
}

std::string quoted(const std::string& word) {
  const char* harmless = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+./:,@%^";
  if (!word.empty() && word.find_first_not_of(harmless) == std::string::npos) return word;
  std::string result = "'";
  for (const char c : word) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

CommandLine::CommandLine(Command command, const std::vector<std::string>& words) : command_(command), words_(words) {
  written_ = fmt::format("scanmf {}", info(command).name);
  for (const std::string& word : words) written_.append(" ").append(quoted(word));
  for (const po::option& word : parse_words(words, mistakes_)) {
    if (word.string_key.empty() || word.position_key >= 0) {
      inputs_.insert(inputs_.end(), word.value.begin(), word.value.end());
      continue;
    }
    const Option* option = find_option(std::string_view(word.string_key));
    if (option == nullptr || word.unregistered) {
      mistakes_.push_back(
          unknown_option(command_, word.original_tokens.empty() ? word.string_key : word.original_tokens.front()));
      unknown_option_ = true;
      continue;
    }
    add(*option, word.value.empty() ? "" : word.value.front(), "");
  }
}

void CommandLine::add(const Option& option, const std::string& text, const std::string& origin) {
  const std::string where = origin.empty() ? "" : origin + ": ";
  if (!contains(option.commands, command_)) {
    mistakes_.push_back(fmt::format("{}option '--{}' is not one of '{}'", where, option.name, info(command_).name));
    return;
  }
  if (origin.empty() && text.starts_with("--") &&
      find_option(std::string_view(text).substr(2, text.find('=') - 2)) != nullptr) {
    mistakes_.push_back(fmt::format("option '--{}' needs a value, but '{}' follows", option.name, text));
    return;
  }
  const auto previous = given_.find(option.name);
  if (previous != given_.end() && (previous->second.origin.empty() == origin.empty())) {
    const std::string& before = previous->second.origin;
    mistakes_.push_back(fmt::format("{}option '--{}' is given twice{}", where, option.name,
                                    before.empty() ? "" : ", first in " + before));
    return;
  }
  const std::string value = spelled_out(option, text);
  const std::string wrong = refusal(option, value);
  if (!wrong.empty()) mistakes_.push_back(where + wrong);
  given_.try_emplace(option.name, Value{value, origin});
}

void CommandLine::add_config(const std::string& name, const std::string& contents) {
  std::istringstream lines(contents);
  std::string line;
  for (Index number = 1; std::getline(lines, line); ++number) {
    const std::string place = fmt::format("{}:{}", name, number);
    const std::string statement = trimmed(without_comment(line));
    if (statement.empty()) continue;
    const std::size_t equals = statement.find('=');
    if (equals == std::string::npos || equals == 0) {
      mistakes_.push_back(fmt::format("{}: not a line 'option = value': {}", place, line));
      continue;
    }
    const std::string key = trimmed(statement.substr(0, equals));
    const Option* option = find_option(std::string_view(key));
    if (option == nullptr || key == "config" || key == "help") {
      const std::string near = near_name(key, option_names(command_));
      mistakes_.push_back(fmt::format("{}: unknown option '{}', {}", place, key,
                                      near.empty() ? fmt::format("see scanmf {} --help", info(command_).name)
                                                   : fmt::format("the nearest one is '{}'", near)));
    } else {
      add(*option, trimmed(statement.substr(equals + 1)), place);
    }
  }
}

bool CommandLine::chooses_ks(const std::string& option) const {
  return option == "n-components" &&
         (command_ == Command::ensemble || command_ == Command::select || estimates_ensemble());
}

bool CommandLine::estimates_ensemble() const {
  return command_ == Command::estimate &&
         (is_given("replicates") || text("n-components").find_first_of(":,") != std::string::npos);
}

std::string CommandLine::place(const std::string& option) const {
  const auto found = given_.find(option);
  return found == given_.end() || found->second.origin.empty() ? "" : found->second.origin + ": ";
}

std::string CommandLine::text(const std::string& option) const {
  const auto found = given_.find(option);
  return found != given_.end() ? found->second.text : fallback_of(*find_option(std::string_view(option)), command_);
}

std::optional<Index> CommandLine::number(const std::string& option) const { return parse_index(text(option)); }

std::optional<std::string> CommandLine::config_file() const {
  const auto found = given_.find("config");
  return found == given_.end() ? std::nullopt : std::optional(found->second.text);
}

Estimator CommandLine::estimator() const {
  return command_ == Command::partial_fit || text("estimator") == option_name(Estimator::minibatch_nmf)
             ? Estimator::minibatch_nmf
             : Estimator::nmf;
}

std::vector<std::pair<std::string, std::string>> CommandLine::given_parameters() const {
  std::vector<std::pair<std::string, std::string>> result;
  for (const auto& [name, value] : given_) {
    const ParameterInfo* parameter = find_option(std::string_view(name))->parameter;
    if (parameter != nullptr) result.emplace_back(parameter->name, value.text);
  }
  return result;
}

Parameters CommandLine::parameters(Estimator estimator) const {
  Parameters result;
  result.estimator = estimator;
  std::vector<std::string> mistakes;
  for (const auto& [name, value] : given_) {
    const Option& option = *find_option(std::string_view(name));
    if (option.parameter == nullptr || !belongs_to(option, estimator) || chooses_ks(name)) continue;
    try {
      result.set(option.parameter->name, value.text);
    } catch (const UsageError& error) {
      mistakes.push_back(fmt::format("{}option '--{}': {}", place(name), name, error.what()));
    }
  }
  for (const std::string& mistake : result.validate())  // their words are scikit-learn's
    mistakes.push_back(mistake.starts_with("Invalid beta_loss parameter") ? mistake + "; --solver mu does" : mistake);
  throw_mistakes(mistakes);
  return result;
}

}  // namespace scanmf::app
