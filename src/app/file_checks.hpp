#pragma once

#include <string>
#include <vector>

#include "scanmf/parallel/communicator.hpp"

namespace scanmf::app {

/// What a command does with a file.
enum class FileUse { reads, appends, replaces, removes, fills };  // fills: a folder

/// One file of a command in one of its roles.
struct FileRole {
  std::string what;  // "the input", "option '--output'", for messages
  std::string path;
  FileUse use = FileUse::reads;
};

/// Adds a file, and those that come and go beside it: where it is removed as a checkpoint, or replaced as a model.
void add_with_files_beside(const FileRole& role, std::vector<FileRole>& roles);

/// Collective; before anything is opened for writing. Throws AgreedError
/// - when two roles are one file, by links or by name, which may not exist yet, and one of them does more than to read
/// it;
/// - for FIFOs, devices and sockets, which would be waited for or destroyed;
/// - when a file cannot be written where it is to be: no folder, no permission, too long a name. So that nobody
/// computes for hours in vain.
void check_files(const Communicator& comm, const std::vector<FileRole>& roles);

}  // namespace scanmf::app
