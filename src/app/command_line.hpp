#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "app/option_table.hpp"
#include "scanmf/estimator/parameters.hpp"

namespace scanmf::app {

/// A command with its input files and options: what the user wrote, checked as far as that is possible without any file
/// but --config.
class CommandLine {
 public:
  /// Words after the command. Throws nothing: mistakes are collected. The same on every rank.
  CommandLine(Command command, const std::vector<std::string>& words);

  /// Adds the lines of a --config file; options of the command line win. `name`: the file's, for messages.
  void add_config(const std::string& name, const std::string& contents);

  /// Throws UsageError with every mistake found so far, one a line. Before that the getters below must not be used.
  void check();

  Command command() const { return command_; }
  /// The whole command as it could be typed into a shell again.
  const std::string& written() const { return written_; }
  const std::vector<std::string>& inputs() const { return inputs_; }
  bool is_given(const std::string& option) const { return given_.contains(option); }
  /// Its value or its default.
  std::string text(const std::string& option) const;
  bool flag(const std::string& option) const { return text(option) == "true"; }
  /// nullopt for "auto" and "none".
  std::optional<Index> number(const std::string& option) const;

  bool wants_help() const { return given_.contains("help"); }
  /// The --config file, if there is one; known before check().
  std::optional<std::string> config_file() const;
  /// Of the command estimate: several numbers of components, or replicates, are those of an ensemble.
  bool estimates_ensemble() const;
  /// nmf or minibatch-nmf as --estimator says, or the command itself.
  Estimator estimator() const;

  /// The estimator's parameters with all that is given. Throws UsageError with every mistake.
  Parameters parameters(Estimator estimator) const;
  /// Parameters that are given, by scikit-learn's names, as text.
  std::vector<std::pair<std::string, std::string>> given_parameters() const;

 private:
  struct Value {
    std::string text;
    std::string origin;  // "FILE:LINE", empty: the command line
  };
  void add(const Option& option, const std::string& text, const std::string& origin);
  void check_inputs();
  void check_words_too_many();
  void check_ks();
  void check_values();
  void check_combinations();
  void check_inspect();
  void check_convert();
  void check_export();
  void check_estimate();
  void check_each_parameter();
  void check_estimator_of_options();
  /// Whether an option says k, but not as a parameter of a fit.
  bool chooses_ks(const std::string& option) const;
  std::string place(const std::string& option) const;

  Command command_;
  std::vector<std::string> words_;
  std::string written_;
  std::vector<std::string> inputs_;
  std::map<std::string, Value> given_;
  std::vector<std::string> mistakes_;
  bool unknown_option_ = false;
};

/// A word as a shell takes it.
std::string quoted(const std::string& word);

/// The command that the first word names. Throws UsageError that names the nearest.
Command parse_command(const std::string& word);

/// "first\nsecond" of the mistakes in a UsageError; nothing when there are none.
void throw_mistakes(const std::vector<std::string>& mistakes);

}  // namespace scanmf::app
