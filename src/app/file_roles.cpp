#include "app/file_roles.hpp"

#include <fmt/format.h>

#include <array>

#include "data/input_name.hpp"

namespace scanmf::app {
namespace {

/// Options that name a file by themselves.
struct FileOption {
  const char* name;
  FileUse use;
};
constexpr std::array file_options = {
    FileOption{"config", FileUse::reads},         FileOption{"init-file", FileUse::reads},
    FileOption{"model", FileUse::reads},          FileOption{"exclude-features", FileUse::reads},
    FileOption{"row-names-from", FileUse::reads}, FileOption{"feature-names-from", FileUse::reads},
    FileOption{"output", FileUse::replaces},      FileOption{"sbatch", FileUse::replaces},
    FileOption{"checkpoint", FileUse::removes},   FileOption{"log-json", FileUse::appends},
};

FileUse use_of(const FileOption& option, const CommandLine& line) {
  const std::string_view name = option.name;
  if (line.command() == Command::partial_fit && name == "model") return FileUse::replaces;  // reads and writes it
  if (line.command() == Command::export_model && name == "output" && line.inputs().size() == 1) return FileUse::fills;
  return option.use;
}

}  // namespace

std::vector<FileRole> file_roles(const CommandLine& line) {
  std::vector<FileRole> roles;
  for (const std::string& input : line.inputs())
    roles.push_back({"the input", data::parse_input(input).file, FileUse::reads});
  for (const char* const name : {"sample-weight", "only-missing"}) {  // FILE:/path, or what is none
    if (!contains(find_option(name)->commands, line.command())) continue;
    const data::InputName input = data::parse_input(line.text(name));
    if (!input.path.empty() || std::string_view(name) == "only-missing")
      if (!input.file.empty()) roles.push_back({fmt::format("option '--{}'", name), input.file, FileUse::reads});
  }
  for (const FileOption& option : file_options) {
    const std::string_view name = option.name;
    if (!contains(find_option(name)->commands, line.command()) || line.text(option.name).empty()) continue;
    const FileRole role{fmt::format("option '--{}'", name), line.text(option.name), use_of(option, line)};
    const bool has_lock = role.use == FileUse::removes || (name == "model" && role.use == FileUse::replaces);
    has_lock ? add_with_files_beside(role, roles) : roles.push_back(role);
  }
  return roles;
}

}  // namespace scanmf::app
