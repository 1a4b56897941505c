#include "app/batch_script.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string_view>

#include "app/run_log.hpp"
#include "io/file_names.hpp"
#include "io/posix_file.hpp"
#include "scanmf/core/error.hpp"

namespace scanmf::app {
namespace {

constexpr std::string_view script_beginning = "#!/bin/bash\n# Written by scanmf estimate --sbatch, which replaces it.";

}  // namespace

std::string estimated_command(const CommandLine& estimate) {
  const Command wanted = estimate.estimates_ensemble() ? Command::ensemble : Command::fit;
  std::string command = fmt::format("scanmf {} ", info(wanted).name) +
                        (estimate.inputs().empty() ? "X.h5" : quoted(estimate.inputs().front()));
  for (const Option& option : options_of(Command::estimate)) {
    const bool is_known = contains(find_option(option.name)->commands, wanted);
    // What a --config file says is given as options: it may have some that are estimate's alone.
    const bool passed_on = option.name != "threads" && option.name != "config";
    if (is_known && passed_on && estimate.is_given(option.name))
      command += fmt::format(" --{} {}", option.name, quoted(estimate.text(option.name)));
  }
  return command;
}

std::string batch_script(const std::string& command, bool x_is_named, const std::string& result, const Cluster& cluster,
                         const Layout& layout, double seconds) {
  // Half as much again, and ten minutes for reading and writing; a run that needs more ends in time and goes on.
  const double most_minutes = 7 * 24 * 60;
  const double wanted = seconds * 1.5 / 60 + 10;
  const auto minutes = static_cast<Index>(std::ceil(wanted < most_minutes ? wanted : most_minutes));
  // A fifth more, and a gigabyte for mpirun, the shell and pages of files, but not more than there is.
  constexpr double beside = Index{1} << 30;
  const double memory = std::min(layout.node_memory * 1.2 + beside, cluster.node_memory);
  const auto megabytes = std::max<Index>(1, static_cast<Index>(std::floor(std::min(memory, 1e18) / (1 << 20))));
  return fmt::format(R"({}
#SBATCH --job-name=scanmf
#SBATCH --nodes={}
#SBATCH --ntasks-per-node={}
#SBATCH --cpus-per-task={}
#SBATCH --mem={}M
#SBATCH --time={}-{:02d}:{:02d}:00
#SBATCH --output=scanmf-%j.log
# A module system may have to be asked here: module load openmpi
{}[ -e {result} ] && {{ echo "{result} exists already: move it away or name another file"; exit 1; }}
# Near its time limit the run saves its state and ends with status 75: submitted again, the job goes on.
mpirun --map-by slot:PE={} --bind-to core \
  {} --checkpoint {result}.checkpoint --output {result}
)",
                     script_beginning, cluster.nodes, layout.ranks_a_node, layout.threads, megabytes, minutes / 1440,
                     minutes / 60 % 24, minutes % 60,
                     x_is_named ? "" : "# X.h5 stands for the file that is to be fitted.\n", layout.threads, command,
                     fmt::arg("result", result));
}

void refuse_other_script(const std::string& target) {
  std::error_code ignored;
  if (!std::filesystem::exists(target, ignored)) return;
  const io::PosixFile file = io::PosixFile::open_for_reading(target);
  if (file.size() > 0 && !file.begins_with(script_beginning))
    throw Error(fmt::format(
        "'{}' is no script of scanmf estimate and is not replaced (option '--sbatch'): name another file", target));
}

void write_script(const std::string& target, const std::string& text) {
  refuse_other_script(target);
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
