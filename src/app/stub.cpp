#include "app/commands.hpp"
#include "scanmf/core/error.hpp"
namespace scanmf::app {
int inspect(const Communicator&, const CommandLine&) { throw UsageError("x"); }
int convert(const Communicator&, const CommandLine&) { throw UsageError("x"); }
int generate(const Communicator&, const CommandLine&) { throw UsageError("x"); }
}  // namespace scanmf::app
