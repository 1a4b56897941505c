#pragma once

#include "app/command_line.hpp"
#include "scanmf/estimator/job.hpp"

namespace scanmf::app {

/// Collective. What --checkpoint, --checkpoint-every, --resume and --max-time ask for.
CheckpointOptions checkpoint_options(const Communicator& comm, const CommandLine& line);

}  // namespace scanmf::app
