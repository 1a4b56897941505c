#pragma once

#include <functional>
#include <string>

#include "scanmf/parallel/communicator.hpp"

namespace scanmf {

/// For main: what body() returns, or the status of the error that it throws (1, or 2 for UsageError), which is told
/// in one line on stderr, "PROGRAM: error: …". An error that every rank knows of (AgreedError, UsageError) ends in the
/// ordinary way; one that this rank alone may know of ends all ranks at once, which would wait for it otherwise.
int run_ranks(const Communicator& comm, const std::string& program, const std::function<int()>& body);

}  // namespace scanmf
