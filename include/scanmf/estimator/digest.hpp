#pragma once

#include <string>

#include "scanmf/parallel/communicator.hpp"

namespace scanmf {

/// Collective. A short digest of what a model file holds: "W 1c3f0a52  H 9be01377  history 02d4c6aa", CRC-32 of the
/// elements as they lie in the file, row by row, and of the history's columns but the seconds. The same for the same
/// bits, so that two people can compare results without sending them. "-" for what the file does not have.
/// Throws AgreedError for what is no model.
std::string digest_of_model(const Communicator& comm, const std::string& file);

}  // namespace scanmf
