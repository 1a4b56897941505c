#pragma once

#include <string>

#include "scanmf/model/model_file.hpp"

namespace scanmf {

/// A header as bytes, for its way from the rank that read the file to the others.
std::string pack(const ModelHeader& header);
ModelHeader unpack(const std::string& bytes);

}  // namespace scanmf
