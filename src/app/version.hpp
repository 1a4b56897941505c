#pragma once

#include <string>

namespace scanmf::app {

/// What --version prints: the program's version, then what it was built from and with, and the libraries that run. MPI
/// must be initialised.
std::string version_text();

}  // namespace scanmf::app
