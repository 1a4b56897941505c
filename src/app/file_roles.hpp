#pragma once

#include <vector>

#include "app/command_line.hpp"
#include "app/file_checks.hpp"

namespace scanmf::app {

/// All files of a command, those too that it makes beside others: locks, generations of a checkpoint, the file STOP.
std::vector<FileRole> file_roles(const CommandLine& line);

}  // namespace scanmf::app
