#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <limits>
#include <optional>

#include "app/commands.hpp"
#include "app/run_log.hpp"
#include "app/run_setup.hpp"
#include "formats/formats.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/estimator/memory_plan.hpp"
#include "scanmf/parallel/environment.hpp"

namespace scanmf::app {
namespace {

using formats::Format;
using formats::Imported;
using formats::ImportOptions;

constexpr std::array<std::pair<const char*, Format>, 7> format_names = {{{"idx", Format::idx},
                                                                         {"npy", Format::npy},
                                                                         {"npz", Format::npz},
                                                                         {"matrix-market", Format::matrix_market},
                                                                         {"text", Format::text},
                                                                         {"triplets", Format::triplets},
                                                                         {"hdf5", Format::hdf5}}};

/// yes and true, no and false; nullopt for auto.
std::optional<bool> choice(const CommandLine& line, const char* option) {
  const std::string text = line.text(option);
  if (text == "auto") return std::nullopt;
  return text == "yes" || text == "true";
}

/// Of what the command line has been checked for; nullopt for auto.
std::optional<char> parse_delimiter(const std::string& text) {
  if (text == "auto") return std::nullopt;
  if (text == "tab" || text == "\\t") return '\t';
  return text == "space" ? ' ' : text[0];
}

std::vector<std::string> parse_missing(const std::string& text) {
  std::vector<std::string> words;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return words;
}

/// The same on every rank; files of names are read later. Throws UsageError.
ImportOptions parse_options(const CommandLine& line) {
  ImportOptions options;
  if (line.text("dtype") != "auto") options.dtype = choose_dtype(line, DataType::float64);
  options.transpose = choice(line, "transpose");
  options.allow_missing = line.flag("allow-missing");
  options.text.header = choice(line, "header");
  options.text.row_names = choice(line, "row-names");
  options.text.delimiter = parse_delimiter(line.text("delimiter"));
  if (line.text("decimal") != "auto") options.text.decimal = line.text("decimal")[0];
  options.text.missing = parse_missing(line.text("na"));
  options.feature_type = line.text("feature-type");
  constexpr Index usual_memory = Index{1} << 30;  // for rows of CSR; each gigabyte of them takes a reading of the file
  options.memory = parse_memory(line.text("memory"), usual_memory).value_or(std::numeric_limits<Index>::max());
  return options;
}

/// Collective. The format of all inputs, as given or as root finds it.
Format choose_format(const Communicator& comm, const CommandLine& line) {
  auto format = static_cast<Index>(Format::text);
  comm.agree([&] {
    if (!comm.is_root()) return;
    const std::string named = line.text("format");
    for (const auto& [name, value] : format_names)
      if (named == name) format = static_cast<Index>(value);
    if (named == "auto") format = static_cast<Index>(formats::recognise(line.inputs().front()));
  });
  comm.broadcast(std::span<Index>(&format, 1));
  return static_cast<Format>(format);
}

/// Options that say nothing of this format are a mistake. The same on every rank.
void check_options(const CommandLine& line, Format format) {
  const auto* const name = std::find_if(format_names.begin(), format_names.end(), [format](const auto& one) {
                             return one.second == format;
                           })->first;
  std::vector<std::string> mistakes;
  if (line.inputs().size() > 1 && format != Format::idx)
    mistakes.push_back(fmt::format("several inputs are joined for IDX files only, not for {}", name));
  for (const char* const option : options_of_text)
    if (line.is_given(option) && !is_of_format(option, name))
      mistakes.push_back(fmt::format("option '--{}' is for text, but '{}' is {}", option, line.inputs().front(), name));
  const bool has_types = format == Format::matrix_market || format == Format::hdf5;
  if (line.is_given("feature-type") && !has_types)
    mistakes.push_back(
        fmt::format("option '--feature-type' is for files that say of what types their features are (10x Genomics, "
                    "AnnData), but '{}' is {}",
                    line.inputs().front(), name));
  if (line.is_given("exclude-features") && format != Format::hdf5)
    mistakes.push_back(fmt::format(
        "option '--exclude-features' is for HDF5, but '{}' is {}: write it as HDF5 first, fit and transform "
        "take the option too",
        line.inputs().front(), name));
  for (const char* const option : {"feature-type", "exclude-features"})
    if (line.is_given(option) && format == Format::hdf5 && line.text("transpose") == "true")
      mistakes.push_back(
          fmt::format("options '--{}' and '--transpose' are for one step each: write the features that are wanted "
                      "first, then turn round what was written",
                      option));
  throw_mistakes(mistakes);
}

/// Files of a folder of 10x Genomics, which are all inputs; none for other inputs.
std::vector<std::string> files_of(const std::string& input) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(input, error)) files.push_back(entry.path().string());
  return files;
}

Imported import_files(const CommandLine& line, Format format, const ImportOptions& options,
                      const MatrixDescription& description, data::MatrixFileWriter& out) {
  const std::string& first = line.inputs().front();
  switch (format) {
    case Format::idx:
      return formats::import_idx(line.inputs(), out, options);
    case Format::npy:
      return formats::import_npy(first, out, options);
    case Format::npz:
      return formats::import_npz(first, out, options);
    case Format::matrix_market:
      return formats::import_matrix_market(first, out, options);
    case Format::hdf5:
      return formats::import_hdf5(description, out, options);
    case Format::triplets:
      return formats::import_triplets(first, out, options);
    case Format::text:
      break;
  }
  return formats::import_text(first, out, options);
}

}  // namespace

int convert(const Communicator& comm, const CommandLine& line) {
  const RunLog log(comm, line);
  ImportOptions options = parse_options(line);
  options.most_held =
      parse_memory(line.text("memory"), available_memory(comm)).value_or(std::numeric_limits<Index>::max());
  const std::string target = line.text("output");
  check_output(comm, target, files_of(line.inputs().front()));
  const Format format = choose_format(comm, line);
  check_options(line, format);
  MatrixDescription description;
  if (format == Format::hdf5) {
    InputOptions as_stored;  // when the user says what is to be turned round, the importer does it
    if (options.transpose) as_stored.transpose = false;
    as_stored.feature_type = options.feature_type;
    description = describe_matrix(comm, line.inputs().front(), "NMF", as_stored);
    exclude_features(comm, line, description);
    check_output(comm, target, {description.file});
  }
  comm.agree([&] {  // one rank is enough: reading and inflating set the pace
    if (!comm.is_root()) return;
    if (line.is_given("row-names-from")) options.row_names = formats::read_names(line.text("row-names-from"));
    if (line.is_given("feature-names-from"))
      options.feature_names = formats::read_names(line.text("feature-names-from"));
    data::MatrixFileWriter out(target);
    const Imported written = import_files(line, format, options, description, out);
    out.commit();
    const std::string stored = written.stored ? fmt::format(", {} non-zeros", *written.stored) : "";
    log.print(fmt::format("X of {} x {}{}: {}\n", written.shape.rows, written.shape.columns, stored, target));
  });
  return static_cast<int>(ExitStatus::done);
}

}  // namespace scanmf::app
