#pragma once

#include <string>

#include "app/command_line.hpp"
#include "app/cost_model.hpp"

namespace scanmf::app {

/// "scanmf fit X -k 50 …": the fit, or the ensemble, that an estimate is about.
std::string estimated_command(const CommandLine& estimate);

/// A script for sbatch that runs it so, with a checkpoint: submitted again, it goes on. x_is_named: the command has the
/// file itself, not a stand-in. result: its output. seconds: of all of it, reading included.
std::string batch_script(const std::string& command, bool x_is_named, const std::string& result, const Cluster& cluster,
                         const Layout& layout, double seconds);

/// Throws Error when there is a file that is no such script.
void refuse_other_script(const std::string& target);

/// Writes a script, whole or not at all. Throws Error as refuse_other_script does.
void write_script(const std::string& target, const std::string& text);

}  // namespace scanmf::app
