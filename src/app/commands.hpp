#pragma once

#include "app/command_line.hpp"
#include "scanmf/parallel/communicator.hpp"

namespace scanmf::app {

// One function a command; all are collective, take a checked command line and return the exit status.

int fit(const Communicator& comm, const CommandLine& line);
int partial_fit(const Communicator& comm, const CommandLine& line);
int transform(const Communicator& comm, const CommandLine& line);
int inverse_transform(const Communicator& comm, const CommandLine& line);
int inspect(const Communicator& comm, const CommandLine& line);
int convert(const Communicator& comm, const CommandLine& line);
int generate(const Communicator& comm, const CommandLine& line);
int ensemble(const Communicator& comm, const CommandLine& line);
int select(const Communicator& comm, const CommandLine& line);
int export_model(const Communicator& comm, const CommandLine& line);
int estimate(const Communicator& comm, const CommandLine& line);
int watch(const Communicator& comm, const CommandLine& line);
int stop(const Communicator& comm, const CommandLine& line);
int predict(const Communicator& comm, const CommandLine& line);

}  // namespace scanmf::app
