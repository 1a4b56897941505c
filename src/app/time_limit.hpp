#pragma once

#include <optional>
#include <string>

#include "scanmf/estimator/job.hpp"

namespace scanmf::app {

/// "90", "MM:SS", "HH:MM:SS", "D-HH", "D-HH:MM", "D-HH:MM:SS" as Slurm writes time limits (a plain number: minutes), or
/// "30s", "15min", "2h", "1d"; in seconds, more than 0; nullopt for other text.
std::optional<double> parse_time(const std::string& text);

/// Seconds that Slurm still gives this job, from its environment or, where that does not say, from squeue; nullopt
/// without a job or a limit.
std::optional<double> slurm_seconds_left();

/// Whether a text is what --checkpoint-every, or --max-time, takes; and what that is, for messages.
bool is_checkpoint_interval(const std::string& text);
bool is_time_limit(const std::string& text);
constexpr const char* checkpoint_interval_form = "a time (30s, 15min, 2h, MM:SS, HH:MM:SS) or a number of iterations";
constexpr const char* time_limit_form = "auto, none or a time (90min, 8h, D-HH:MM:SS, a plain number: minutes)";

/// --checkpoint, --checkpoint-every, --resume and --max-time as they are written; file empty: none is kept.
struct CheckpointTexts {
  std::string file;
  std::string every;
  std::string resume;
  std::string max_time;
};

/// Collective. What they ask for. The texts must be of the right form.
CheckpointOptions checkpoint_options(const Communicator& comm, const CheckpointTexts& texts);

}  // namespace scanmf::app
