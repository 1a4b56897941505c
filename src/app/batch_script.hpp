#pragma once

#include <string>

#include "app/command_line.hpp"
#include "app/cost_model.hpp"

namespace scanmf::app {

/// "scanmf fit X -k 50 …": the fit that an estimate is about.
std::string fit_command(const CommandLine& estimate);

/// A script for sbatch that runs it so, with a checkpoint: submitted again, it goes on. seconds: of the whole fit.
std::string batch_script(const std::string& command, const Cluster& cluster, const Layout& layout, double seconds);

/// Writes a text file, whole or not at all.
void write_text(const std::string& target, const std::string& text);

}  // namespace scanmf::app
