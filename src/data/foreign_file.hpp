#pragma once

#include <string>

namespace scanmf::data {

/// What a file is that is not HDF5, and what to type so that it can be used, as one message. Empty for HDF5, and for
/// what is not recognised, missing or no regular file.
std::string foreign_file(const std::string& name);

}  // namespace scanmf::data
