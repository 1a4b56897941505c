#pragma once

#include <string>

#include "scanmf/parallel/communicator.hpp"

namespace scanmf::python {

/// Local. X is read from this file.
void remember_file_read(const std::string& file);

/// Collective. Throws AgreedError when `file` is one that this process has read X from: a model in its place would be
/// the end of the data. By name and by number, so that links count.
void refuse_file_read(const Communicator& comm, const std::string& file);

}  // namespace scanmf::python
