#include "app/batch_script.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <span>

#include "io/file_names.hpp"
#include "io/posix_file.hpp"

namespace scanmf::app {

std::string fit_command(const CommandLine& estimate) {
  std::string command = "scanmf fit " + (estimate.inputs().empty() ? "X.h5" : quoted(estimate.inputs().front()));
  for (const Option& option : options_of(Command::estimate)) {
    const bool of_fit = contains(find_option(option.name)->commands, Command::fit);
    if (of_fit && option.name != "threads" && estimate.is_given(option.name))
      command += fmt::format(" --{} {}", option.name, quoted(estimate.text(option.name)));
  }
  return command;
}

std::string batch_script(const std::string& command, const Cluster& cluster, const Layout& layout, double seconds) {
  // Half as much again, and ten minutes for reading and writing; a run that needs more ends in time and goes on.
  const auto minutes = static_cast<Index>(std::ceil(std::min(seconds * 1.5 / 60 + 10, 7.0 * 24 * 60)));
  const auto gigabytes = static_cast<Index>(std::ceil(layout.node_memory * 1.2 / 1e9));
  return fmt::format(R"(#!/bin/bash
#SBATCH --job-name=scanmf
#SBATCH --nodes={}
#SBATCH --ntasks-per-node={}
#SBATCH --cpus-per-task={}
#SBATCH --mem={}G
#SBATCH --time={}-{:02d}:{:02d}:00
#SBATCH --output=scanmf-%j.log
# Near its time limit the fit saves its state and ends with status 75: submitted again, the job goes on.
mpirun --map-by slot:PE={} --bind-to core \
  {} --checkpoint model.h5.checkpoint --output model.h5
)",
                     cluster.nodes, layout.ranks_a_node, layout.threads, std::max<Index>(1, gigabytes), minutes / 1440,
                     minutes / 60 % 24, minutes % 60, layout.threads, command);
}

void write_text(const std::string& target, const std::string& text) {
  const std::string name = io::resolve_target(target);
  const std::string temporary = io::temporary_name(name);
  const io::PosixFile file = io::PosixFile::create_exclusive(temporary, target);
  file.write(0, std::as_bytes(std::span(text)));
  file.sync();
  if (std::rename(temporary.c_str(), name.c_str()) != 0) {
    const int reason = errno;
    std::remove(temporary.c_str());
    io::throw_system_error(fmt::format("{} cannot be written", target), reason);
  }
  io::sync_folder(io::folder_of(name));
}

}  // namespace scanmf::app
