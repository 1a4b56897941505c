#include "formats/tenx.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>

#include "formats/formats.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/log.hpp"

namespace scanmf::formats {
namespace {

namespace fs = std::filesystem;
constexpr std::string_view matrix_name = "matrix.mtx";

/// The first of the files that exists, plain or compressed.
std::string first_existing(const std::string& prefix, std::initializer_list<const char*> names) {
  std::error_code error;
  for (const char* const name : names) {
    for (const char* const ending : {".gz", ""}) {
      const std::string file = prefix + name + ending;
      if (fs::is_regular_file(file, error)) return file;
    }
  }
  return "";
}

std::string column_of(const std::string& line, std::size_t number) {
  std::size_t begin = 0;
  for (; number > 0 && begin != std::string::npos; --number) {
    begin = line.find('\t', begin);
    if (begin != std::string::npos) ++begin;
  }
  return begin == std::string::npos ? "" : line.substr(begin, line.find('\t', begin) - begin);
}

}  // namespace

std::string matrix_of_folder(const std::string& folder) {
  const std::string found = first_existing(folder.ends_with('/') ? folder : folder + "/", {"matrix.mtx"});
  if (found.empty())
    throw Error(
        fmt::format("the folder '{}' holds no matrix.mtx or matrix.mtx.gz, as folders of 10x Genomics do", folder));
  return found;
}

std::optional<TenxNames> names_beside(const std::string& matrix_file) {
  const std::string file = fs::path(matrix_file).filename().string();
  const std::size_t at = file.rfind(matrix_name);
  if (at == std::string::npos) return std::nullopt;
  const std::string prefix = matrix_file.substr(0, matrix_file.size() - file.size() + at);
  TenxNames names;
  names.features_file = first_existing(prefix, {"features.tsv", "genes.tsv"});
  names.barcodes_file = first_existing(prefix, {"barcodes.tsv"});
  if (names.features_file.empty() && names.barcodes_file.empty()) return std::nullopt;
  if (!names.barcodes_file.empty())
    for (const std::string& line : read_names(names.barcodes_file)) names.barcodes.push_back(column_of(line, 0));
  if (names.features_file.empty()) return names;
  for (const std::string& line : read_names(names.features_file)) {
    const std::string name = column_of(line, 1);
    names.features.push_back(name.empty() ? column_of(line, 0) : name);
    if (const std::string type = column_of(line, 2); !type.empty()) names.types.push_back(type);
  }
  if (names.types.size() != names.features.size()) names.types.clear();
  return names;
}

std::vector<Index> kept_features(const TenxNames& names, const std::string& type) {
  std::vector<std::string> types;
  for (const std::string& one : names.types)
    if (std::find(types.begin(), types.end(), one) == types.end()) types.push_back(one);
  if (!type.empty() && std::find(types.begin(), types.end(), type) == types.end())
    throw Error(fmt::format("'{}' has no features of the type '{}' (option '--feature-type'){}", names.features_file,
                            type, types.empty() ? "" : fmt::format("; there is: {}", fmt::join(types, ", "))));
  if (type.empty() && types.size() > 1)
    log_warning(
        fmt::format("'{}' has features of several types, all of them are taken: {}; --feature-type takes one of them",
                    names.features_file, fmt::join(types, ", ")));
  std::vector<Index> numbers;
  Index next = 0;
  for (std::size_t i = 0; i < names.features.size(); ++i)
    numbers.push_back(type.empty() || names.types[i] == type ? next++ : -1);
  return numbers;
}

}  // namespace scanmf::formats
