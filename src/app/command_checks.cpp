#include <fmt/format.h>

#include <algorithm>

#include "app/command_line.hpp"
#include "app/time_limit.hpp"
#include "core/number_text.hpp"
#include "formats/text_record.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/ensemble/ensemble.hpp"
#include "scanmf/estimator/memory_plan.hpp"

/// What of a command can be judged before any file is read. All mistakes are collected, none hides another.
namespace scanmf::app {

void CommandLine::check_inputs() {
  const CommandInfo& about = info(command_);
  const auto count = static_cast<int>(inputs_.size());
  if (count < about.fewest_inputs)
    mistakes_.push_back(fmt::format("an input is missing: scanmf {} {}", about.name, about.arguments));
  check_words_too_many();
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

/// A word too many is most often the value of an option that may stand alone, and is none of its values, or that of an
/// unknown option.
void CommandLine::check_words_too_many() {
  bool explained = unknown_option_;
  for (auto i = static_cast<std::size_t>(info(command_).most_inputs); i < inputs_.size(); ++i) {
    const auto word = std::ranges::find(words_, inputs_[i]);
    const Option* before = word != words_.begin() && word != words_.end() ? bare_option(*std::prev(word)) : nullptr;
    if (before != nullptr && !before->bare.empty()) {
      mistakes_.push_back(fmt::format("option '--{}' takes {} (alone: {}), not '{}'", before->name, before->values,
                                      before->bare, inputs_[i]));
    } else if (!explained) {
      mistakes_.push_back(
          fmt::format("unexpected word '{}': scanmf {} {}", inputs_[i], info(command_).name, info(command_).arguments));
      explained = true;
    }
  }
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
  if (command_ == Command::ensemble || estimates_ensemble()) {
    if (!is_given("n-components"))
      mistakes_.emplace_back("an ensemble needs option '-k' with numbers of components: 5:30, 5:30:5 or 4,6,8");
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
  check("delimiter", "one character, tab, space or auto", [](const std::string& value) {
    return value == "tab" || value == "\\t" || value == "space" || value == "auto" ||
           (value.size() == 1 && formats::may_end_fields(value[0]));
  });
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
  if (command_ == Command::inspect) check_inspect();
  if (command_ == Command::export_model) check_export();
  if (command_ == Command::estimate) check_estimate();
  if (command_ == Command::convert) check_convert();
  for (const char* name : {"chunk-rows", "gzip"}) {
    if (is_given(name) && text(name) != "none" && text("kind") == "topics")
      mistakes_.push_back(
          fmt::format("{}option '--{}' belongs to --kind dense, not to --kind topics", place(name), name));
  }
}

void CommandLine::check_inspect() {
  for (const char* name : {"json", "csv", "top", "transpose", "feature-type"})
    if (flag("digest") && is_given(name))
      mistakes_.push_back(fmt::format("--digest prints the digest alone: --{} has no meaning beside it", name));
  if (flag("json") && flag("csv"))
    mistakes_.emplace_back("--json and --csv are two forms of one answer: take one of them");
  // Features are shown of one model, and not in its line of a table.
  if (is_given("top") && !flag("digest") && (flag("csv") || inputs_.size() > 1))
    mistakes_.push_back(
        fmt::format("{}option '--top' has no meaning with {}: it is for one model, in JSON or for people", place("top"),
                    flag("csv") ? "--csv" : "several models"));
}

void CommandLine::check_convert() {
  const std::string format = text("format");
  if (format == "csv" || format == "tsv")
    mistakes_.push_back(
        fmt::format("{}--format {} is for export; of delimited text it is --format text", place("format"), format));
  if (format == "auto" || format == "csv" || format == "tsv") return;
  for (const char* const name : options_of_text)
    if (is_given(name) && !is_of_format(name, format))
      mistakes_.push_back(fmt::format("{}option '--{}' is for text, not for --format {}", place(name), name, format));
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
  const double elements = parse_double(text("n-samples")).value_or(0) * parse_double(text("n-features")).value_or(0);
  if (inputs_.empty() && elements > 9e18)
    mistakes_.push_back(fmt::format("--n-samples {} times --n-features {} is beyond all numbers", text("n-samples"),
                                    text("n-features")));
  for (const auto& [name, value] : given_) {
    const Option& option = *find_option(std::string_view(name));
    if (estimates_ensemble() && option.parameter != nullptr && !contains(option.commands, Command::ensemble))
      mistakes_.push_back(fmt::format("{}option '--{}' is of single fits, not of an ensemble", place(name), name));
  }
  constexpr std::pair<const char*, Index> most[] = {{"nodes", 1'000'000}, {"cores", 65'536}, {"replicates", 1'000'000}};
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

/// Values that no model makes right: of a parameter alone, since the others are those of the model.
void CommandLine::check_each_parameter() {
  for (const auto& [name, value] : given_) {
    const Option& option = *find_option(std::string_view(name));
    if (option.parameter == nullptr) continue;
    Parameters alone;
    alone.estimator = belongs_to(option, Estimator::nmf) ? Estimator::nmf : Estimator::minibatch_nmf;
    std::vector<std::string> wrong;
    try {
      alone.set(option.parameter->name, value.text);
      wrong = alone.validate();
      std::erase_if(wrong, [&option](const std::string& mistake) {
        return !mistake.starts_with(fmt::format("The '{}' parameter", option.parameter->name));
      });
    } catch (const UsageError& error) {
      wrong.emplace_back(error.what());
    }
    for (const std::string& mistake : wrong)
      mistakes_.push_back(fmt::format("{}option '--{}': {}", place(name), name, mistake));
  }
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
  if (command_ == Command::transform) {
    check_each_parameter();
  } else {
    try {
      parameters(estimator());
    } catch (const UsageError& error) {
      mistakes_.emplace_back(error.what());
    }
  }
  throw_mistakes(mistakes_);
}

}  // namespace scanmf::app
