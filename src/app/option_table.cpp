#include "app/option_table.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/number_text.hpp"

namespace scanmf::app {
namespace {

constexpr int any_number = 1 << 20;

constexpr CommandInfo commands[] = {
    {Command::fit, "fit", "X [options]", "learn W and H, write a model", 1, 1},
    {Command::partial_fit, "partial-fit", "X --model M [options]", "one mini-batch step on a chunk of rows; creates M when it does not exist", 1, 1},
    {Command::transform, "transform", "X --model M -o OUT [options]", "W of new rows, H fixed", 1, 1},
    {Command::inverse_transform, "inverse-transform", "W --model M -o OUT [options]", "the matrix W*H", 1, 1},
    {Command::inspect, "inspect", "FILE [--json]", "what a data file or a model holds, and the top features of each component", 1, 1},
    {Command::convert, "convert", "IN [IN ...] -o OUT.h5 [options]", "Matrix Market, .npy, IDX images, delimited text to HDF5; CSC in HDF5 to CSR", 1,
     any_number},
    {Command::generate, "generate", "-o OUT.h5 [options]", "a synthetic matrix with planted factors, of any size", 0, 0},
};

constexpr Commands learning = Command::fit | Command::partial_fit;
constexpr Commands solving = learning | Command::transform;
constexpr Commands computing = solving | Command::inverse_transform;
constexpr Commands writing = Command::fit | Command::transform | Command::inverse_transform | Command::convert;
constexpr Commands everywhere = computing | Command::inspect | Command::convert | Command::generate;

// name, letter, values, bare, parameter, fallback, commands, help
constexpr Option options[] = {
    {"estimator", 0, "nmf|minibatch-nmf", nullptr, nullptr, "nmf", Command::fit | Command::transform, "which estimator"},
    {"n-components", 'k', "N|auto|none", nullptr, "n_components", "", solving | Command::generate,
     "number of components; none: as many as X has columns"},
    {"init", 0, "none|random|nndsvd|nndsvda|nndsvdar|custom", nullptr, "init", "", solving,
     "how W and H begin; none: nndsvda where it is possible, else random"},
    {"init-file", 0, "FILE", nullptr, nullptr, "", learning, "with --init custom: datasets /W (rows x k) and /H (k x columns)"},
    {"solver", 0, "cd|mu", nullptr, "solver", "", solving, "coordinate descent or multiplicative updates"},
    {"beta-loss", 0, "NAME|NUMBER", nullptr, "beta_loss", "", solving, "frobenius, kullback-leibler, itakura-saito or the number beta"},
    {"tol", 0, "NUMBER", nullptr, "tol", "", solving, "stop when the relative change falls below"},
    {"max-iter", 0, "N", nullptr, "max_iter", "", solving, "most iterations, or passes over X"},
    {"random-state", 0, "N|none", nullptr, "random_state", "", solving | Command::generate, "seed; none: drawn and logged"},
    {"alpha-w", 0, "NUMBER", nullptr, "alpha_W", "", solving, "strength of the penalty on W"},
    {"alpha-h", 0, "NUMBER|same", nullptr, "alpha_H", "", solving, "strength of the penalty on H; same: as --alpha-w"},
    {"l1-ratio", 0, "NUMBER", nullptr, "l1_ratio", "", solving, "share of L1 in the penalties, from 0 (all L2) to 1 (all L1)"},
    {"shuffle", 0, "true|false", "true", "shuffle", "", solving, "coordinate descent in random order"},
    {"batch-size", 0, "N", nullptr, "batch_size", "", solving, "rows of a mini-batch"},
    {"max-no-improvement", 0, "N|none", nullptr, "max_no_improvement", "", solving, "stop after so many steps without a smaller smoothed cost"},
    {"forget-factor", 0, "NUMBER", nullptr, "forget_factor", "", solving, "weight of the past after a pass, from 0 to 1"},
    {"fresh-restarts", 0, "true|false", "true", "fresh_restarts", "", solving, "solve W anew in each step"},
    {"fresh-restarts-max-iter", 0, "N", nullptr, "fresh_restarts_max_iter", "", solving, "most iterations of that"},
    {"transform-max-iter", 0, "N|none", nullptr, "transform_max_iter", "", solving, "most iterations of transform; none: --max-iter"},
    {"svd", 0, "randomized|exact", nullptr, "svd", "", solving, "for --init nndsvd*; exact: for dense X only"},
    {"random-generator", 0, "auto|numpy|counter", nullptr, "random_generator", "", solving,
     "numpy: scikit-learn's draws; counter: for huge factors; auto: numpy up to 2^26 draws"},
    {"model", 0, "FILE", nullptr, nullptr, "", Command::partial_fit | Command::transform | Command::inverse_transform,
     "the model; for transform any HDF5 file with a dataset /H"},
    {"output", 'o', "FILE", nullptr, nullptr, "model.h5", writing | Command::generate,
     "where the result goes; an existing file is replaced when all is done"},
    {"save-w", 0, "true|false", "true", nullptr, "true", only(Command::fit), "keep W in the model"},
    {"checkpoint", 0, "FILE", nullptr, nullptr, "", only(Command::fit), "keep the state of the run here, to go on from after an interruption"},
    {"checkpoint-every", 0, "TIME|COUNT", nullptr, nullptr, "15min", only(Command::fit),
     "how often: 30s, 15min, 2h, or a number of iterations (mini-batches)"},
    {"resume", 0, "auto|never|require", nullptr, nullptr, "auto", only(Command::fit),
     "go on from the checkpoint: if there is one, never, or it is an error"},
    {"max-time", 0, "auto|none|D-HH:MM:SS", nullptr, nullptr, "auto", only(Command::fit),
     "stop in time, with a checkpoint (status 75); auto: as Slurm says"},
    {"dtype", 0, "auto|float32|float64", nullptr, nullptr, "auto", computing | Command::convert | Command::generate,
     "type to compute in or to write; auto: that of the input, float64 for integers (generate: float32)"},
    {"format", 0, "auto|idx|npy|matrix-market|text", nullptr, nullptr, "auto", only(Command::convert),
     "of the input files; auto: by their beginning and their names"},
    {"n-samples", 0, "N", nullptr, nullptr, "1000", only(Command::generate), "rows of X"},
    {"n-features", 0, "N", nullptr, nullptr, "100", only(Command::generate), "columns of X"},
    {"kind", 0, "dense|topics", nullptr, nullptr, "dense", only(Command::generate),
     "dense: W*H and noise; topics: sparse counts, Poisson with mean W*H"},
    {"noise", 0, "NUMBER", nullptr, nullptr, "0.01", only(Command::generate), "of dense X: standard deviation over the mean of W*H"},
    {"density", 0, "NUMBER", nullptr, nullptr, "0.01", only(Command::generate), "of topics: expected sum of a row over the number of columns"},
    {"chunk-rows", 0, "N|none", nullptr, nullptr, "none", only(Command::generate), "rows of a chunk of dense X; none: contiguous"},
    {"gzip", 0, "N|none", nullptr, nullptr, "none", only(Command::generate), "compress chunks, level 1 to 9"},
    {"config", 0, "FILE", nullptr, nullptr, "", computing | Command::convert | Command::generate, "lines 'option = value'; the command line wins"},
    {"memory", 0, "auto|none|SIZE", nullptr, nullptr, "auto", solving | Command::convert,
     "most of X that a rank holds (4G, 500M); beyond it X is streamed; auto: 60% of what is free (convert, of CSC: 1G)"},
    {"threads", 0, "N|auto", nullptr, nullptr, "auto", computing | Command::generate, "threads a rank; auto: the cores that this rank may use"},
    {"progress", 0, "auto|on|off", nullptr, nullptr, "auto", solving, "a line in place on a terminal, else a line every few seconds"},
    {"verbose", 'v', "N", "1", "verbose", "", everywhere, "more messages"},
    {"quiet", 0, "true|false", "true", nullptr, "false", everywhere, "warnings and errors only"},
    {"log-json", 0, "FILE", nullptr, nullptr, "", solving, "one JSON object a line: start, iterations, warnings, end"},
    {"json", 0, "true|false", "true", nullptr, "false", only(Command::inspect), "print JSON"},
    {"help", 'h', "true|false", "true", nullptr, "false", everywhere, "this text"},
};

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

std::string option_help(const Option& option) {
  constexpr std::size_t help_column = 34;
  const bool flag = std::string_view(option.values) == "true|false" && default_text(option) == "false";
  std::string left = option.letter != 0 ? fmt::format("  -{}, --{}", option.letter, option.name) : fmt::format("      --{}", option.name);
  if (!flag) left += fmt::format(" {}", option.values);
  std::string right = option.help;
  right += restriction(option);
  const std::string fallback = default_text(option);
  if (!flag && !fallback.empty()) right += fmt::format(" [{}]", fallback);
  left += left.size() + 2 > help_column ? "\n" + std::string(help_column, ' ') : std::string(help_column - left.size(), ' ');
  return left + wrapped(right, help_column, 118) + "\n";
}

}  // namespace

std::span<const CommandInfo> command_table() { return commands; }

const CommandInfo& info(Command command) {
  return *std::find_if(std::begin(commands), std::end(commands), [command](const CommandInfo& c) { return c.command == command; });
}

std::span<const Option> option_table() { return options; }

const Option* find_option(std::string_view name) {
  const auto* found = std::find_if(std::begin(options), std::end(options), [name](const Option& o) { return name == o.name; });
  return found == std::end(options) ? nullptr : found;
}

const Option* find_option(char letter) {
  const auto* found = std::find_if(std::begin(options), std::end(options), [letter](const Option& o) { return letter == o.letter; });
  return letter == 0 || found == std::end(options) ? nullptr : found;
}

bool belongs_to(const Option& option, Estimator estimator) {
  if (option.parameter == nullptr) return true;
  const std::vector<std::string> names = Parameters::names(estimator);
  return std::find(names.begin(), names.end(), option.parameter) != names.end();
}

std::string default_text(const Option& option) {
  if (option.parameter == nullptr) return option.fallback;
  Parameters defaults;
  if (!belongs_to(option, Estimator::nmf)) defaults.estimator = Estimator::minibatch_nmf;
  return defaults.get(option.parameter);
}

std::string refusal(const Option& option, const std::string& text) {
  if (option.parameter != nullptr) return "";
  const std::string values = option.values;
  for (std::size_t begin = 0; begin <= values.size();) {
    const std::size_t end = std::min(values.find('|', begin), values.size());
    const std::string value = values.substr(begin, end - begin);
    const std::optional<Index> number = parse_index(text);
    if (value == "N" ? number && *number >= 1 : value[0] >= 'A' && value[0] <= 'Z' ? !text.empty() : text == value) return "";
    begin = end + 1;
  }
  const bool has_number = values == "N" || values.starts_with("N|");
  return fmt::format("option '--{}' takes {}{}, not '{}'", option.name, values, has_number ? " (N: an integer >= 1)" : "", text);
}

std::string general_help() {
  std::string text = "scanmf factors a non-negative matrix X (rows = samples) as X = W*H, on any number of MPI ranks.\n\n";
  for (const CommandInfo& command : commands) {
    const std::string usage = fmt::format("  scanmf {} {}", command.name, command.arguments);
    text += fmt::format("{:<56}  {}\n", usage, command.summary);
  }
  text += "  scanmf COMMAND --help                                   the options of a command\n";
  text += "  scanmf --version\n\nWith P ranks: mpirun -n P scanmf COMMAND ...\n";
  text += "X is FILE or FILE:/path/in/file: an HDF5 file with a 2-D dataset, or a sparse matrix as in AnnData or 10x Genomics files.\n";
  text += "Exit status: 0 done, 1 failed, 2 wrong usage, 75 stopped early with a checkpoint.\n";
  return text;
}

std::string command_help(Command command) {
  const CommandInfo& about = info(command);
  std::string text = fmt::format("scanmf {} {}\n\n{}\n\nOptions [defaults]:\n", about.name, about.arguments, about.summary);
  for (const Option& option : options) {
    if (contains(option.commands, command)) text += option_help(option);
  }
  text += "\n--name value and --name=value both work; options without a value mean true.\n";
  return text;
}

}  // namespace scanmf::app
