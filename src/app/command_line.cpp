#include "app/command_line.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/program_options.hpp>
#include <sstream>

#include "app/time_limit.hpp"
#include "core/nearest_name.hpp"
#include "core/number_text.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/ensemble/ensemble.hpp"
#include "scanmf/estimator/memory_plan.hpp"

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

/// The option that a word like "--name" or "-n" is, without a value in the same word.
const Option* bare_option(const std::string& word) {
  if (word.starts_with("--")) return find_option(std::string_view(word).substr(2));
  return word.size() == 2 && word[0] == '-' ? find_option(word[1]) : nullptr;
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
  const std::string nearest =
      nearest_name(name.substr(std::min(name.find_first_not_of('-'), name.size())), option_names(command));
  return fmt::format("unknown option '{}', the nearest one is '--{}'", name, nearest);
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
      mistakes_.push_back(fmt::format("{}: unknown option '{}', the nearest one is '{}'", place, key,
                                      nearest_name(key, option_names(command_))));
    } else {
      add(*option, trimmed(statement.substr(equals + 1)), place);
    }
  }
}

void CommandLine::check_inputs() {
  const CommandInfo& about = info(command_);
  const auto count = static_cast<int>(inputs_.size());
  if (count < about.fewest_inputs)
    mistakes_.push_back(fmt::format("an input is missing: scanmf {} {}", about.name, about.arguments));
  if (count > about.most_inputs && !unknown_option_)
    mistakes_.push_back(unexpected(inputs_[static_cast<std::size_t>(about.most_inputs)]));
  if (std::any_of(inputs_.begin(), inputs_.end(), [](const std::string& input) { return input.empty(); }))
    mistakes_.emplace_back("the name of an input is empty");
  for (const char* needed : {"model", "output"}) {
    const Option& option = *find_option(std::string_view(needed));
    const bool has_default = command_ == Command::fit || command_ == Command::ensemble;
    if (contains(option.commands, command_) && !has_default && !is_given(needed))
      mistakes_.push_back(
          fmt::format("'{}' needs option '--{} FILE': scanmf {} {}", about.name, needed, about.name, about.arguments));
  }
}

/// A word too many is most often the value of an option that may stand alone, and is none of its values.
std::string CommandLine::unexpected(const std::string& word) const {
  const auto found = std::ranges::find(words_, word);
  if (found != words_.begin() && found != words_.end())
    if (const Option* before = bare_option(*std::prev(found)); before != nullptr && !before->bare.empty())
      return fmt::format("option '--{}' takes {} (alone: {}), not '{}'", before->name, before->values, before->bare,
                         word);
  return fmt::format("unexpected word '{}': scanmf {} {}", word, info(command_).name, info(command_).arguments);
}

void CommandLine::check_estimator_of_options() {
  const Estimator own = estimator();
  const Estimator other = own == Estimator::nmf ? Estimator::minibatch_nmf : Estimator::nmf;
  for (const auto& [name, value] : given_) {
    if (!belongs_to(*find_option(std::string_view(name)), own)) {
      mistakes_.push_back(fmt::format("{}option '--{}' belongs to the estimator {}, not to {}", place(name), name,
                                      option_name(other), option_name(own)));
    }
  }
  if (command_ == Command::fit && text("init") == "custom" && !is_given("init-file")) {
    mistakes_.emplace_back(
        "init = 'custom' needs option '--init-file FILE' with datasets /W and /H. Expected 2D array, got none "
        "instead.");
  }
}

void CommandLine::check_ks() {
  if (command_ == Command::ensemble) {
    if (!is_given("n-components"))
      mistakes_.emplace_back("'ensemble' needs option '-k' with numbers of components: 5:30, 5:30:5 or 4,6,8");
    else if (!parse_ks(text("n-components")))
      mistakes_.push_back(fmt::format("{}-k must be numbers of components: 5:30, 5:30:5 or 4,6,8. Got '{}' instead.",
                                      place("n-components"), text("n-components")));
  }
  if (command_ == Command::select && is_given("n-components") && number("n-components").value_or(0) < 1)
    mistakes_.push_back(fmt::format("{}-k must be one of the ensemble's numbers of components. Got '{}' instead.",
                                    place("n-components"), text("n-components")));
}

/// Values that are more than a word of the option table.
void CommandLine::check_values() {
  const auto check = [&](const char* name, const char* expected, auto&& is_right) {
    if (is_given(name) && !is_right(text(name)))
      mistakes_.push_back(fmt::format("{}--{} must be {}. Got '{}' instead.", place(name), name, expected, text(name)));
  };
  check("memory", "auto, none or a size such as 500M or 4G",
        [](const std::string& value) { return value == "auto" || value == "none" || parse_size(value); });
  check("checkpoint-every", checkpoint_interval_form, is_checkpoint_interval);
  check("max-time", time_limit_form, is_time_limit);
  for (const char* name : {"noise", "density"})
    check(name, "a number from 0 to 1e6",
          [](const std::string& value) { return parse_double(value) >= 0.0 && parse_double(value) <= 1e6; });
  check("neighbourhood", "a number above 0, up to 1",
        [](const std::string& value) { return parse_double(value) > 0.0 && parse_double(value) <= 1.0; });
  check("resample-width", "a number above 0, up to 1",
        [](const std::string& value) { return parse_double(value) > 0.0 && parse_double(value) <= 1.0; });
  check("holdout", "a number between 0 and 1",
        [](const std::string& value) { return parse_double(value) > 0.0 && parse_double(value) < 1.0; });
  check("density-threshold", "a number above 0", [](const std::string& value) { return parse_double(value) > 0.0; });
  for (const char* name : {"peak", "bandwidth", "network"})
    check(name, "a number above 0", [](const std::string& value) { return parse_double(value) > 0.0; });
  check("node-memory", "auto or a size such as 500M or 64G",
        [](const std::string& value) { return value == "auto" || parse_size(value); });
  check("gzip", "none or a level from 1 to 9",
        [](const std::string& value) { return parse_index(value).value_or(1) <= 9; });
}

/// Options that make sense beside others only.
void CommandLine::check_combinations() {
  const bool has_checkpoint = is_given("checkpoint");
  for (const char* name : {"checkpoint-every", "max-time"}) {
    if (is_given(name) && text(name) != "none" && text(name) != "auto" && !has_checkpoint)
      mistakes_.push_back(fmt::format("{}--{} needs --checkpoint FILE, where the state is to go", place(name), name));
  }
  if (is_given("resume") && text("resume") == "require" && !has_checkpoint)
    mistakes_.push_back(place("resume") + "--resume require needs --checkpoint FILE");
  for (const char* name : {"json", "csv", "top", "transpose", "feature-type"})
    if (command_ == Command::inspect && flag("digest") && is_given(name))
      mistakes_.push_back(fmt::format("--digest prints the digest alone: --{} has no meaning beside it", name));
  if (command_ == Command::inspect && flag("json") && flag("csv"))
    mistakes_.emplace_back("--json and --csv are two forms of one answer: take one of them");
  if (is_given("resample-width") && text("resample") != "uniform")
    mistakes_.push_back(place("resample-width") + "--resample-width belongs to --resample uniform");
  if (is_given("connectivity-rows") && !flag("connectivity"))
    mistakes_.push_back(place("connectivity-rows") + "--connectivity-rows belongs to --connectivity");
  for (const auto& [name, choice] :
       {std::pair{"folds", "bicv"}, {"holdout", "speckled"}, {"select-repeats", "speckled"}})
    if (is_given(name) && text("select") != choice)
      mistakes_.push_back(fmt::format("{}--{} belongs to --select {}", place(name), name, choice));
  if (command_ == Command::ensemble && text("select") != "stability" && is_given("sample-weight"))
    mistakes_.push_back(place("sample-weight") +
                        "a cross-validation knows no weights of rows (option '--sample-weight'): take --select "
                        "stability");
  if (command_ == Command::export_model) check_export();
  if (command_ == Command::estimate) check_estimate();
  if (command_ == Command::convert && (text("format") == "csv" || text("format") == "tsv"))
    mistakes_.push_back(fmt::format("{}--format {} is for export; of delimited text it is --format text",
                                    place("format"), text("format")));
  for (const char* name : {"chunk-rows", "gzip"}) {
    if (is_given(name) && text(name) != "none" && text("kind") == "topics")
      mistakes_.push_back(
          fmt::format("{}option '--{}' belongs to --kind dense, not to --kind topics", place(name), name));
  }
}

void CommandLine::check_export() {
  const std::string output = text("output");
  const bool tables = inputs_.size() == 1;
  if (is_given("output") && tables && (output.ends_with(".h5ad") || output.ends_with(".h5")))
    mistakes_.push_back(
        fmt::format("'{}' would be a copy of an AnnData file with the factors in it, and that file is "
                    "not named: scanmf export MODEL X.h5ad -o {}",
                    output, output));
  const std::string format = text("format");
  if (is_given("format") && format != "auto" && (!tables || (format != "csv" && format != "tsv")))
    mistakes_.push_back(
        fmt::format("{}export takes --format csv or tsv, of tables in a folder, not '{}'", place("format"), format));
}

void CommandLine::check_estimate() {
  for (const char* name : {"n-samples", "n-features", "density"}) {
    if (!inputs_.empty() && is_given(name))
      mistakes_.push_back(
          fmt::format("{}--{} is for an X that is no file yet, and '{}' is one", place(name), name, inputs_.front()));
    if (inputs_.empty() && !is_given(name) && std::string_view(name) != "density")
      mistakes_.push_back(fmt::format("estimate needs X, or --n-samples and --n-features: --{} is missing", name));
  }
  constexpr std::pair<const char*, Index> most[] = {{"nodes", 1'000'000}, {"cores", 65'536}};
  for (const auto& [name, limit] : most)
    if (is_given(name) && number(name).value_or(1) > limit)
      mistakes_.push_back(
          fmt::format("{}--{} must be at most {}. Got {} instead.", place(name), name, limit, text(name)));
  if (text("init") == "custom")
    mistakes_.push_back(place("init") +
                        "--init custom needs factors of its own, which estimate does not take: it costs what --init "
                        "random costs");
  if (is_given("density") && parse_double(text("density")).value_or(0) > 1)
    mistakes_.push_back(place("density") + "--density is a share of non-zeros here, 1 at most");
  if (is_given("peak") != is_given("bandwidth"))
    mistakes_.emplace_back("--peak and --bandwidth belong together: the speed of the cores and of their memory");
}

void CommandLine::check() {
  check_inputs();
  check_ks();
  check_values();
  check_combinations();
  // transform's estimator is that of the model, which has not been read yet.
  if (command_ == Command::fit || command_ == Command::partial_fit || command_ == Command::ensemble ||
      command_ == Command::estimate)
    check_estimator_of_options();
  if (command_ != Command::transform) {
    try {
      parameters(estimator());
    } catch (const UsageError& error) {
      mistakes_.emplace_back(error.what());
    }
  }
  throw_mistakes(mistakes_);
}

bool CommandLine::chooses_ks(const std::string& option) const {
  return option == "n-components" && (command_ == Command::ensemble || command_ == Command::select);
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
  for (const std::string& mistake : result.validate()) mistakes.push_back(mistake);
  throw_mistakes(mistakes);
  return result;
}

}  // namespace scanmf::app
