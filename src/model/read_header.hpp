#pragma once

#include <string>

#include "scanmf/model/model_file.hpp"

namespace scanmf {

/// Collective. read_model_header for a file whose checksums were compared already.
ModelHeader read_verified_header(const Communicator& comm, const std::string& file);

}  // namespace scanmf
