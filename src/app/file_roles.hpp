#pragma once

#include <string>
#include <vector>

#include "app/command_line.hpp"
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

/// All files of a command, those too that it makes beside others: locks, generations of a checkpoint, the file STOP.
std::vector<FileRole> file_roles(const CommandLine& line);

/// Collective; before anything is opened for writing. Throws AgreedError
/// - when two roles are one file, by links or by name, which may not exist yet, and one of them does more than to read
/// it;
/// - for FIFOs, devices and sockets, which would be waited for or destroyed;
/// - when a file cannot be written where it is to be: no folder, no permission, too long a name. So that nobody
/// computes for hours in vain.
void check_files(const Communicator& comm, const std::vector<FileRole>& roles);

}  // namespace scanmf::app
