#include "app/fit_checkpoint.hpp"

#include <fmt/format.h>

#include "app/stop_requests.hpp"
#include "core/number_text.hpp"
#include "scanmf/core/log.hpp"

namespace scanmf::app {
namespace {

/// --max-time in seconds; nullopt: no limit.
std::optional<double> time_limit(const Communicator& comm, const std::string& text) {
  if (text == "none") return std::nullopt;
  if (text != "auto") return parse_time(text);
  double left = -1;  // negative: none; the clocks and environments of other ranks may differ
  if (comm.is_root()) left = slurm_seconds_left().value_or(-1);
  comm.broadcast(std::span<double>(&left, 1));
  if (left < 0) return std::nullopt;
  log_information(fmt::format("Slurm leaves {:.0f} s to this job", left));
  return left;
}

}  // namespace

CheckpointOptions checkpoint_options(const Communicator& comm, const CommandLine& line) {
  CheckpointOptions options;
  options.file = line.text("checkpoint");
  if (options.file.empty()) return options;
  const std::string every = line.text("checkpoint-every");
  options.every_iterations = parse_index(every);
  if (!options.every_iterations) options.every_seconds = parse_time(every).value();
  const std::string resume = line.text("resume");
  options.resume = resume == "never" ? Resume::never : resume == "require" ? Resume::require : Resume::automatic;
  options.seconds_left = time_limit(comm, line.text("max-time"));
  return options;
}

}  // namespace scanmf::app
