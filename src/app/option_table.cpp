#include "app/option_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/number_text.hpp"

namespace scanmf::app {
namespace {

constexpr int any_number = 1 << 20;

/// An option that is no parameter of the estimators; meanings as in Option, bare: nullptr when it needs a value.
struct CommandOption {
  const char* name;
  char letter;
  const char* values;
  const char* bare;
  const char* fallback;
  Commands commands;
  const char* help;
};

constexpr CommandInfo commands[] = {
    {Command::fit, "fit", "X [options]", "learn W and H, write a model", 1, 1},
    {Command::partial_fit, "partial-fit", "X --model M [options]",
     "one mini-batch step on a chunk of rows; creates M when it does not exist", 1, 1},
    {Command::transform, "transform", "X --model M -o OUT [options]", "W of new rows, H fixed", 1, 1},
    {Command::inverse_transform, "inverse-transform", "W --model M -o OUT [options]", "the matrix W*H", 1, 1},
    {Command::predict, "predict", "MODEL PAIRS -o OUT [options]",
     "elements of W*H at pairs of a row and a column: datasets /rows and /columns of PAIRS, and /values of OUT", 2, 2},
    {Command::inspect, "inspect", "FILE [FILE ...] [options]",
     "what a data file or a model holds, the top features of each component; several models: a line each", 1,
     any_number},
    {Command::convert, "convert", "IN [IN ...] -o OUT.h5 [options]",
     "delimited text, .npy, .npz, Matrix Market, 10x folders, IDX images to HDF5; CSC to CSR, transposed", 1,
     any_number},
    {Command::ensemble, "ensemble", "X -k 5:30 [options]",
     "many fits of each number of components, what they agree on, and which number that speaks for", 1, 1},
    {Command::select, "select", "ENSEMBLE [-k N] -o MODEL",
     "the consensus of one k (default: the chosen one) as a model", 1, 1},
    {Command::generate, "generate", "-o OUT.h5 [options]", "a synthetic matrix with planted factors, of any size", 0,
     0},
    {Command::export_model, "export", "MODEL [X.h5ad] -o OUT",
     "W, H and top features (of a result of transform W) as tables in the folder OUT, or within a copy of X.h5ad", 1,
     2},
    {Command::estimate, "estimate", "[X] [options]",
     "what a fit, or an ensemble, would take: memory a rank, seconds an iteration, messages, ranks x threads; reads no "
     "data",
     0, 1},
    {Command::watch, "watch", "LOG.jsonl|CHECKPOINT", "how far a run is: iteration, curve of the error, time left", 1,
     1},
    {Command::stop, "stop", "CHECKPOINT", "asks the run with this checkpoint to save its state and to end", 1, 1},
};

constexpr Commands learning = Command::fit | Command::partial_fit;
constexpr Commands fitting = Command::fit | Command::ensemble;
constexpr Commands solving = learning | Command::transform | Command::ensemble;
constexpr Commands computing = solving | Command::inverse_transform;
constexpr Commands writing =
    Command::fit | Command::transform | Command::inverse_transform | Command::convert | Command::export_model;
constexpr Commands everywhere = computing | Command::inspect | Command::convert | Command::generate | Command::select |
                                Command::export_model | Command::estimate | Command::watch | Command::stop |
                                Command::predict;

// name, letter, values, bare, fallback, commands, help
constexpr CommandOption command_options[] = {
    {"estimator", 0, "nmf|minibatch-nmf", nullptr, "nmf",
     Command::fit | Command::transform | Command::ensemble | Command::estimate, "which estimator"},
    {"init-file", 0, "FILE", nullptr, "", learning, "with --init custom: datasets /W (rows x k) and /H (k x columns)"},
    {"model", 0, "FILE", nullptr, "", Command::partial_fit | Command::transform | Command::inverse_transform,
     "the model; for transform any HDF5 file with a dataset /H"},
    {"output", 'o', "FILE", nullptr, "model.h5",
     writing | Command::generate | Command::ensemble | Command::select | Command::predict,
     "where the result goes; an existing file is replaced when all is done"},
    {"save-w", 0, "true|false", "true", "true", only(Command::fit), "keep W in the model"},
    {"replicates", 0, "N", nullptr, "20", Command::ensemble | Command::estimate, "fits of each number of components"},
    {"neighbourhood", 0, "NUMBER", nullptr, "0.3", only(Command::ensemble),
     "the density of a spectrum looks at this share of the replicates"},
    {"density-threshold", 0, "NUMBER", nullptr, "0.5", only(Command::ensemble),
     "spectra whose distance to their neighbours is not below are left out of the consensus; 2 keeps all"},
    {"resample", 0, "none|poisson|multinomial|uniform", nullptr, "none", only(Command::ensemble),
     "X of each replicate is drawn from X: Poisson counts, each row with its own sum, or X times factors close to 1"},
    {"resample-width", 0, "NUMBER", nullptr, "0.015", only(Command::ensemble),
     "of --resample uniform: factors are from 1 - NUMBER to 1 + NUMBER"},
    {"match", 0, "auto|kmeans|hungarian", nullptr, "auto", only(Command::ensemble),
     "spectra of a component: by k-means, or those of each replicate one to one to the components; auto: "
     "hungarian with --resample, else kmeans"},
    {"select", 0, "stability|bicv|speckled", nullptr, "stability", only(Command::ensemble),
     "choose k by the stability of its components, or by cross-validation of blocks (bicv) or of entries (speckled)"},
    {"folds", 0, "N", nullptr, "2", only(Command::ensemble), "of rows and of columns, for --select bicv"},
    {"holdout", 0, "NUMBER", nullptr, "0.05", only(Command::ensemble),
     "share of the entries of X that --select speckled holds out"},
    {"select-repeats", 0, "N", nullptr, "3", only(Command::ensemble), "of --select speckled, with other entries each"},
    {"groups", 0, "N|auto", nullptr, "auto", only(Command::ensemble),
     "groups of ranks that each hold all of X and take a share of the fits; auto: as many as memory allows; 1: all "
     "ranks "
     "share X"},
    {"connectivity", 0, "true|false", "true", "false", only(Command::ensemble),
     "measure how far the replicates agree on which rows of X belong together"},
    {"connectivity-rows", 0, "N", nullptr, "2000", only(Command::ensemble), "of a sample, for --connectivity"},
    {"save-replicates", 0, "true|false", "true", "true", only(Command::ensemble),
     "keep the spectra of all replicates in the file"},
    {"checkpoint", 0, "FILE", nullptr, "", fitting,
     "keep the state of the run (ensemble: the replicates that are done) here, to go on from after an interruption"},
    {"checkpoint-every", 0, "TIME|COUNT", nullptr, "15min", only(Command::fit),
     "how often: 30s, 15min, 2h, 0:30 (MM:SS), or a number of iterations (mini-batches)"},
    {"resume", 0, "auto|never|require", nullptr, "auto", fitting,
     "go on from the checkpoint: if there is one, never, or it is an error"},
    {"max-time", 0, "auto|none|D-HH:MM:SS", nullptr, "auto", fitting,
     "stop in time, with a checkpoint (status 75): 90min, 8h, or as Slurm writes it, a plain number being minutes; "
     "auto: as Slurm says"},
    {"transpose", 0, "auto|true|false", "true", "auto",
     solving | Command::inspect | Command::convert | Command::estimate,
     "X is the transpose of what the file holds; auto: for files that say so (MATLAB, Octave, loom; 10x folders)"},
    {"feature-type", 0, "NAME", nullptr, "", solving | Command::inspect | Command::convert | Command::estimate,
     "of files with features of several types (10x Genomics): take these, for example 'Gene Expression'"},
    {"exclude-features", 0, "FILE", nullptr, "", solving | Command::convert | Command::estimate,
     "names of features, one a line, that are left out of X (stop words)"},
    {"align-features", 0, "true|false", "true", "false", Command::partial_fit | Command::transform,
     "put the columns of X in the order of the model's features, by their names: what X lacks is 0, what the model "
     "does "
     "not know is left out"},
    {"sample-weight", 0, "FILE:/path|obs/NAME", nullptr, "", solving,
     "weights of the rows of X: a 1-D dataset, or a column of obs of the file of X"},
    {"only-missing", 0, "FILE", nullptr, "", only(Command::inverse_transform),
     "X whose missing entries are filled: write it so; all others are its own"},
    {"dtype", 0, "auto|float32|float64", nullptr, "auto",
     computing | Command::convert | Command::generate | Command::estimate,
     "type to compute in or to write; auto: that of the input, float64 for integers (generate: float32)"},
    {"format", 0, "auto|idx|npy|npz|matrix-market|text|triplets|hdf5|csv|tsv", nullptr, "auto",
     Command::convert | Command::export_model,
     "convert: of the input files; auto: by their beginning; triplets: text with a row, a column and a value in each "
     "line. export: of the tables, csv or tsv; auto: csv"},
    {"header", 0, "auto|yes|no", nullptr, "auto", only(Command::convert), "of text: the first line names the columns"},
    {"row-names", 0, "auto|yes|no", nullptr, "auto", only(Command::convert),
     "of text: the first field of each line names the row"},
    {"delimiter", 0, "C|tab|space|auto", nullptr, "auto", only(Command::convert),
     "of text: what ends a field; space: any blanks"},
    {"decimal", 0, "auto|.|,", nullptr, "auto", only(Command::convert), "of text: the decimal mark"},
    {"na", 0, "STRING[,STRING...]", nullptr, "", only(Command::convert),
     "of text: fields that mean a missing value, beside empty ones, NA, NaN, NULL and the like"},
    {"allow-missing", 0, "true|false", "true", "false", only(Command::convert),
     "missing values are written as NaN, not refused"},
    {"feature-names-from", 0, "FILE", nullptr, "", only(Command::convert),
     "names of the columns of X, one a line (of triplets: those that there are, in this order)"},
    {"row-names-from", 0, "FILE", nullptr, "", only(Command::convert),
     "names of the rows of X, one a line (of triplets: those that there are, in this order)"},
    {"n-samples", 0, "N", nullptr, "1000", Command::generate | Command::estimate, "rows of X"},
    {"n-features", 0, "N", nullptr, "100", Command::generate | Command::estimate, "columns of X"},
    {"kind", 0, "dense|topics", nullptr, "dense", only(Command::generate),
     "dense: W*H and noise; topics: sparse counts, Poisson with mean W*H"},
    {"noise", 0, "NUMBER", nullptr, "0.01", only(Command::generate),
     "of dense X: standard deviation over the mean of W*H"},
    {"density", 0, "NUMBER", nullptr, "0.01", Command::generate | Command::estimate,
     "of topics: expected sum of a row over the number of columns; estimate: share of non-zeros of sparse X"},
    {"chunk-rows", 0, "N|none", nullptr, "none", only(Command::generate),
     "rows of a chunk of dense X; none: contiguous"},
    {"gzip", 0, "N|none", nullptr, "none", only(Command::generate), "compress chunks, level 1 to 9"},
    {"nodes", 0, "N", nullptr, "1", only(Command::estimate), "nodes that there are for the fit"},
    {"cores", 0, "N|auto", nullptr, "auto", only(Command::estimate), "cores of a node; auto: as here"},
    {"node-memory", 0, "auto|SIZE", nullptr, "auto", only(Command::estimate),
     "memory of a node that the fit may take (64G); auto: what is free here"},
    {"peak", 0, "GFLOPS", nullptr, "", only(Command::estimate),
     "matrix products of a core there, in 1e9 operations a second of X's type; without it measured here, in two "
     "seconds"},
    {"bandwidth", 0, "GBYTES", nullptr, "", only(Command::estimate), "memory of a node there, in 1e9 bytes a second"},
    {"network", 0, "GBYTES", nullptr, "12.5", only(Command::estimate), "network of a node, in 1e9 bytes a second"},
    {"sbatch", 0, "FILE", nullptr, "", only(Command::estimate), "write a script for Slurm's sbatch"},
    {"config", 0, "FILE", nullptr, "", computing | Command::convert | Command::generate | Command::estimate,
     "lines 'option = value'; the command line wins"},
    {"memory", 0, "auto|none|SIZE", nullptr, "auto", solving | Command::convert,
     "most of X that a rank holds (4G, 500M); beyond it X is streamed; auto: 60% of what is free. convert: most of X "
     "that it holds; what needs more is refused; auto: what is free, and 1G of the rows that CSC becomes"},
    {"threads", 0, "N|auto", nullptr, "auto", computing | Command::generate | Command::estimate,
     "threads a rank; auto: the cores that this rank may use"},
    {"progress", 0, "auto|on|off", nullptr, "auto", solving,
     "a line in place on a terminal, else a line every few seconds"},
    {"quiet", 0, "true|false", "true", "false", everywhere, "warnings and errors only"},
    {"log-json", 0, "FILE", nullptr, "", solving, "one JSON object a line: start, iterations, warnings, end"},
    {"follow", 0, "auto|true|false", "true", "auto", only(Command::watch),
     "look again every two seconds until the run ends; auto: on a terminal"},
    {"top", 0, "N", nullptr, "10", only(Command::inspect), "how many features of each component"},
    {"digest", 0, "true|false", "true", "false", only(Command::inspect),
     "print a short digest of W, H and history alone: the same for the same bits"},
    {"json", 0, "true|false", "true", "false", only(Command::inspect), "print JSON"},
    {"csv", 0, "true|false", "true", "false", only(Command::inspect),
     "print CSV: models, a line each; of a data file its matrices"},
    {"help", 'h', "true|false", "true", "false", everywhere, "this text"},
};

/// "a|b|N" in pieces.
std::vector<std::string_view> alternatives(std::string_view values) {
  std::vector<std::string_view> result;
  for (std::size_t begin = 0; begin <= values.size(); begin += result.back().size() + 1)
    result.push_back(values.substr(begin, values.find('|', begin) - begin));
  return result;
}

std::string lower_case(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

/// The commands of a parameter's option.
Commands commands_of(const ParameterInfo& parameter) {
  if (parameter.name == "verbose") return everywhere;
  if (parameter.name == "n_components") return solving | Command::generate | Command::select | Command::estimate;
  if (parameter.name == "random_state") return solving | Command::generate | Command::estimate;
  if (parameter.name.starts_with("missing")) return solving;
  const bool is_of_ensemble = parameter.name != "init" && parameter.name != "svd";  // replicates start at random
  return (is_of_ensemble ? solving : solving & ~only(Command::ensemble)) | only(Command::estimate);
}

/// Parameters stand in the help before the option of this name.
std::string_view place_of(const ParameterInfo& parameter) {
  return parameter.name == "verbose" ? "quiet" : "init-file";
}

std::vector<Option> make_options() {
  std::vector<Option> options;
  for (const CommandOption& o : command_options) {
    for (const ParameterInfo& p : parameter_table())
      if (place_of(p) == o.name)
        options.push_back({p.option, p.letter, p.values, p.bare, &p, text_of(p.fallback), commands_of(p), p.help});
    options.push_back(
        {o.name, o.letter, o.values, o.bare != nullptr ? o.bare : "", nullptr, o.fallback, o.commands, o.help});
  }
  return options;
}

/// Text in lines of at most `width` characters, all but the first one indented.
std::string wrapped(const std::string& text, std::size_t indent, std::size_t width) {
  std::string result;
  std::size_t column = indent;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(' ', begin), text.size());
    if (column > indent && column + 1 + end - begin > width) {
      result += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      result += ' ';
      ++column;
    }
    result += text.substr(begin, end - begin);
    column += end - begin;
    begin = end + 1;
  }
  return result;
}

/// "minibatch-nmf only" and the like; empty for options of both.
const char* restriction(const Option& option) {
  if (!belongs_to(option, Estimator::minibatch_nmf)) return " (nmf)";
  return belongs_to(option, Estimator::nmf) ? "" : " (minibatch-nmf)";
}

/// Numbers of components are options of their own kind where there are many.
Option as_told(const Option& option, Command command) {
  Option told = option;
  told.fallback = fallback_of(option, command);
  if (option.name == "n-components" && command == Command::ensemble) {
    told.values = "FIRST:LAST[:STEP]|K,K,...";
    told.help = "numbers of components: 5:30, 5:30:5 or 4,6,8";
  } else if (option.name == "n-components" && command == Command::estimate) {
    told.values += "|FIRST:LAST[:STEP]|K,K,...";
    told.help += "; several, or --replicates: of an ensemble";
  } else if (option.name == "n-components" && command == Command::select) {
    told.values = std::string{"N"};
    told.help = "which k; without it the chosen one";
  } else if (command == Command::transform && !is_flag(option) && option.name != "verbose" &&
             (option.parameter != nullptr || option.name == "estimator")) {
    told.fallback = "the model's";
  }
  return told;
}

std::string option_help(const Option& option) {
  constexpr std::size_t help_column = 34;
  std::string left = option.letter != 0 ? fmt::format("  -{}, --{}", option.letter, option.name)
                                        : fmt::format("      --{}", option.name);
  if (!is_flag(option)) left += fmt::format(" {}", option.values);
  left += left.size() + 2 > help_column ? "\n" + std::string(help_column, ' ')
                                        : std::string(help_column - left.size(), ' ');
  return left + wrapped(meaning(option), help_column, 118) + "\n";
}

}  // namespace

std::span<const CommandInfo> command_table() { return commands; }

const CommandInfo& info(Command command) {
  return *std::find_if(std::begin(commands), std::end(commands),
                       [command](const CommandInfo& c) { return c.command == command; });
}

std::span<const Option> option_table() {
  static const std::vector<Option> options = make_options();
  return options;
}

const Option* find_option(std::string_view name) {
  const std::span<const Option> options = option_table();
  const auto found = std::find_if(options.begin(), options.end(), [name](const Option& o) { return name == o.name; });
  return found == options.end() ? nullptr : &*found;
}

const Option* find_option(char letter) {
  const std::span<const Option> options = option_table();
  const auto found =
      std::find_if(options.begin(), options.end(), [letter](const Option& o) { return letter == o.letter; });
  return letter == 0 || found == options.end() ? nullptr : &*found;
}

const Option* bare_option(const std::string& word) {
  if (word.starts_with("--")) return find_option(std::string_view(word).substr(2));
  return word.size() == 2 && word[0] == '-' ? find_option(word[1]) : nullptr;
}

std::vector<Option> options_of(Command command) {
  std::vector<Option> options;
  for (const Option& option : option_table())
    if (contains(option.commands, command)) options.push_back(as_told(option, command));
  return options;
}

bool belongs_to(const Option& option, Estimator estimator) {
  return option.parameter == nullptr || option.parameter->belongs_to(estimator);
}

std::string spelled_out(const Option& option, const std::string& text) {
  constexpr std::pair<std::string_view, std::string_view> short_names[] = {{"kl", "kullback-leibler"},
                                                                           {"is", "itakura-saito"}};
  std::string word = lower_case(text);
  if (option.name == "beta-loss")
    for (const auto& [name, loss] : short_names)
      if (word == name) word = loss;
  const std::vector<std::string_view> values = alternatives(option.values);
  return std::ranges::find(values, word) == values.end() ? text : word;
}

std::string fallback_of(const Option& option, Command command) {
  if (option.name == "output")
    return command == Command::fit ? option.fallback : command == Command::ensemble ? "ensemble.h5" : "";
  const bool of_X = option.name == "n-samples" || option.name == "n-features" || option.name == "density";
  if (of_X && command == Command::estimate) return "";  // what there is of them is a file's, or must be said
  if (option.name == "n-components" && command == Command::generate) return fmt::format("{}", components_to_plant);
  const bool many = command == Command::ensemble || command == Command::select;
  return option.name == "n-components" && many ? "" : option.fallback;
}

bool is_flag(const Option& option) { return option.values == "true|false" && option.fallback == "false"; }

std::string meaning(const Option& option) {
  std::string text = option.help + restriction(option);
  if (!is_flag(option) && !option.fallback.empty()) text += fmt::format(" [{}]", option.fallback);
  return text;
}

std::vector<std::string> words_of(const Option& option) {
  std::vector<std::string> words;
  for (const std::string_view value : alternatives(option.values))
    if (!value.empty() && (value[0] < 'A' || value[0] > 'Z')) words.emplace_back(value);
  return words;
}

std::string refusal(const Option& option, const std::string& text) {
  if (option.parameter != nullptr) return "";
  const std::string& values = option.values;
  for (const std::string_view value : alternatives(values)) {
    const std::optional<Index> number = parse_index(text);
    if (value == "N" ? number && *number >= 1 : value[0] >= 'A' && value[0] <= 'Z' ? !text.empty() : text == value)
      return "";
  }
  const bool has_number = values == "N" || values.starts_with("N|");
  return fmt::format("option '--{}' takes {}{}, not '{}'", option.name, values,
                     has_number ? " (N: an integer >= 1)" : "", text);
}

std::string general_help() {
  std::string text =
      "scanmf factors a non-negative matrix X (rows = samples) as X = W*H, on any number of MPI ranks.\n\n";
  for (const CommandInfo& command : commands) {
    const std::string usage = fmt::format("  scanmf {} {}", command.name, command.arguments);
    text += fmt::format("{:<56}  {}\n", usage, command.summary);
  }
  text += "  scanmf COMMAND --help                                   the options of a command\n";
  text += "  scanmf --version\n\nWith P ranks: mpirun -n P scanmf COMMAND ...\n";
  text +=
      "X is FILE or FILE:/path/in/file: an HDF5 file with a 2-D dataset, or a sparse matrix as in AnnData or 10x "
      "Genomics files.\n";
  text += "Exit status: 0 done, 1 failed, 2 wrong usage, 75 stopped early with a checkpoint.\n";
  return text;
}

std::string command_help(Command command) {
  const CommandInfo& about = info(command);
  std::string text =
      fmt::format("scanmf {} {}\n\n{}\n\nOptions [defaults]:\n", about.name, about.arguments, about.summary);
  for (const Option& option : options_of(command)) text += option_help(option);
  text += "\n--name value and --name=value both work; options without a value mean true.\n";
  return text;
}

}  // namespace scanmf::app
