// make_manual FOLDER VERSION: writes the manual pages (FOLDER/man1) and the completion of bash
// (FOLDER/completions/scanmf) from the one declaration of commands and options. Run while building; needs no MPI.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cctype>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "app/option_table.hpp"
#include "core/standard_streams.hpp"

namespace scanmf::app {
namespace {

/// Text as roff takes it: '-' is a hyphen there, and a line must not begin with a dot or an apostrophe.
std::string roff(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '-') result += "\\-";
    if (c == '\\') result += "\\e";
    if (c != '-' && c != '\\') result += c;
  }
  return !result.empty() && (result[0] == '.' || result[0] == '\'') ? "\\&" + result : result;
}

std::string upper(std::string text) {
  for (char& c : text) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

std::string heading(const std::string& page, const std::string& version, const std::string& summary) {
  return fmt::format(".TH {} 1 \"\" \"scanmf {}\" \"User Commands\"\n.SH NAME\n{} \\- {}\n", upper(roff(page)), version,
                     roff(page), roff(summary));
}

constexpr const char* exit_status =
    ".SH EXIT STATUS\n.TP\n0\ndone: converged, or the most iterations reached (with a warning)\n"
    ".TP\n1\nfailed on the data or while running; one message on stderr, from one rank\n"
    ".TP\n2\nwrong usage or parameters; all mistakes at once\n"
    ".TP\n75\nstopped early with a valid checkpoint: run the same command again to go on\n";

std::string option_entry(const Option& option) {
  std::string entry = ".TP\n";
  if (option.letter != 0) entry += fmt::format("\\fB\\-{}\\fR, ", option.letter);
  entry += fmt::format("\\fB\\-\\-{}\\fR", roff(option.name));
  if (!is_flag(option)) entry += fmt::format(" \\fI{}\\fR", roff(option.values));
  return entry + "\n" + roff(meaning(option)) + "\n";
}

std::string command_page(const CommandInfo& command, const std::string& version) {
  std::string page = heading(fmt::format("scanmf-{}", command.name), version, command.summary);
  page += fmt::format(".SH SYNOPSIS\n.B scanmf {}\n{}\n.br\n.B mpirun \\-n \\fIP\\fB scanmf {}\n{}\n",
                      roff(command.name), roff(command.arguments), roff(command.name), roff(command.arguments));
  page += ".SH OPTIONS\nDefaults are in brackets.\n";
  for (const Option& option : options_of(command.command)) page += option_entry(option);
  page += ".PP\n\\-\\-name value and \\-\\-name=value both work; options without a value mean true.\n";
  return page + exit_status + ".SH SEE ALSO\n.BR scanmf (1)\n";
}

std::string main_page(const std::string& version) {
  std::string page = heading("scanmf", version, "non-negative matrix factorisation on MPI clusters");
  page += ".SH SYNOPSIS\n.B scanmf\nCOMMAND [options]\n.br\n.B mpirun \\-n \\fIP\\fB scanmf\nCOMMAND [options]\n";
  page += ".SH DESCRIPTION\n";
  page += roff(
      "Factors a matrix X of non-negative numbers (rows are samples) as X = W*H with W, H >= 0, as scikit-learn's NMF "
      "and MiniBatchNMF do, on any number of MPI ranks. X is FILE or FILE:/path/in/file, an HDF5 file with a 2-D "
      "dataset or a sparse matrix, dense or sparse, in memory or streamed.");
  page += "\n.SH COMMANDS\n";
  for (const CommandInfo& command : command_table())
    page += fmt::format(".TP\n.BR scanmf\\-{} (1)\n{}\n", roff(command.name), roff(command.summary));
  page +=
      ".PP\n\\fBscanmf \\-\\-version\\fR says what the program was built from and with, \\fBscanmf COMMAND "
      "\\-\\-help\\fR what these pages say.\n";
  return page + exit_status;
}

/// A word of a `case`, in which bash would expand '*' and the like.
std::string pattern(const Option& option) {
  std::string result = fmt::format("--{}", option.name);
  if (option.letter != 0) result += fmt::format("|-{}", option.letter);
  return result;
}

std::string completion() {
  std::string commands;
  std::string values;
  std::string names;
  for (const CommandInfo& command : command_table()) {
    commands += fmt::format("{} ", command.name);
    std::vector<std::string> options;
    for (const Option& option : options_of(command.command)) options.push_back(fmt::format("--{}", option.name));
    names += fmt::format("    {}) words=\"{}\" ;;\n", command.name, fmt::join(options, " "));
  }
  for (const Option& option : option_table())
    if (!is_flag(option))
      values += fmt::format("    {}) words=\"{}\" ;;\n", pattern(option), fmt::join(words_of(option), " "));
  return fmt::format(R"(# bash completion of scanmf
_scanmf() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}} words=
  COMPREPLY=()
  if [[ $COMP_CWORD -eq 1 ]]; then
    COMPREPLY=($(compgen -W "{}--help --version" -- "$current"))
    return
  fi
  if [[ $current == "=" ]]; then  # --name=: bash takes '=' for a word
    current=
  elif [[ $previous == "=" ]]; then
    previous=${{COMP_WORDS[COMP_CWORD-2]}}
  fi
  # The value of an option; without words it is left to bash, which completes names of files.
  case $previous in
{}    *) [[ $current == -* ]] && case ${{COMP_WORDS[1]}} in
{}    esac ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o bashdefault -o default -F _scanmf scanmf
)",
                     commands, values, names);
}

void write(const std::filesystem::path& file, const std::string& text) {
  std::filesystem::create_directories(file.parent_path());
  std::ofstream stream(file);
  stream << text;
  if (!stream.flush()) throw std::runtime_error(fmt::format("cannot write '{}'", file.string()));
}

}  // namespace
}  // namespace scanmf::app

int main(int argc, char** argv) {
  using namespace scanmf::app;
  if (argc != 3) {
    scanmf::print_message("usage: make_manual FOLDER VERSION\n");
    return 2;
  }
  const std::filesystem::path folder = argv[1];
  const std::string version = argv[2];
  write(folder / "man1" / "scanmf.1", main_page(version));
  for (const CommandInfo& command : command_table())
    write(folder / "man1" / fmt::format("scanmf-{}.1", command.name), command_page(command, version));
  write(folder / "completions" / "scanmf", completion());
  return 0;
}
