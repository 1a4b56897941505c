#include <fmt/format.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "app/command_line.hpp"
#include "app/commands.hpp"
#include "app/file_roles.hpp"
#include "app/stop_requests.hpp"
#include "app/version.hpp"
#include "core/crash_note.hpp"
#include "core/standard_streams.hpp"
#include "io/posix_file.hpp"
#include "parallel/launcher.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/log.hpp"
#include "scanmf/parallel/communicator.hpp"
#include "scanmf/parallel/environment.hpp"
#include "scanmf/parallel/run_ranks.hpp"

namespace scanmf::app {
namespace {

int print_on_root(const Communicator& comm, const std::string& text) {
  comm.agree([&] {
    if (comm.is_root()) print_result(text);
  });
  return static_cast<int>(ExitStatus::done);
}

/// Collective. The file's contents, read by root.
std::string read_config(const Communicator& comm, const std::string& name) {
  constexpr Index most_bytes = Index{1} << 20;
  std::string contents;
  comm.agree([&] {
    if (!comm.is_root()) return;
    try {
      contents = io::read_small_file(name, most_bytes);
    } catch (const Error& error) {
      throw UsageError(fmt::format("cannot read the configuration file (option '--config'): {}", error.what()));
    }
  });
  return comm.broadcast(contents);
}

int dispatch(const Communicator& comm, const CommandLine& line) {
  switch (line.command()) {
    case Command::fit:
      return fit(comm, line);
    case Command::partial_fit:
      return partial_fit(comm, line);
    case Command::transform:
      return transform(comm, line);
    case Command::inverse_transform:
      return inverse_transform(comm, line);
    case Command::inspect:
      return inspect(comm, line);
    case Command::convert:
      return convert(comm, line);
    case Command::generate:
      return generate(comm, line);
    case Command::ensemble:
      return ensemble(comm, line);
    case Command::select:
      return select(comm, line);
    case Command::export_model:
      return export_model(comm, line);
    case Command::watch:
      return watch(comm, line);
    case Command::stop:
      return stop(comm, line);
    case Command::estimate:
      return estimate(comm, line);
    case Command::predict:
      return predict(comm, line);
  }
  throw UsageError(fmt::format("'{}' is not available in version {}", info(line.command()).name, SCANMF_VERSION));
}

int run(const Communicator& comm, const std::vector<std::string>& words) {
  if (words.empty()) throw UsageError("no command is given; see scanmf --help");
  const std::string& first = words.front();
  if (first == "--version") return print_on_root(comm, version_text());
  if (first == "--help" || first == "-h" || first == "help") return print_on_root(comm, general_help());
  CommandLine line(parse_command(first), {words.begin() + 1, words.end()});
  if (line.wants_help()) return print_on_root(comm, command_help(line.command()));
  if (const auto config = line.config_file()) line.add_config(*config, read_config(comm, *config));
  line.check();
  check_files(comm, file_roles(line));
  return dispatch(comm, line);
}

/// Whether it is one of the commands that make StopSignals.
bool may_keep_state(int argc, char** argv) {
  const std::string_view command = argc > 1 ? argv[1] : "";
  return command == info(Command::fit).name || command == info(Command::ensemble).name;
}

/// Started without mpirun, Open MPI would first start a daemon of its own, for programs that start others: half of the
/// time of a short command. Without it, all such programs of a user would share one folder in /tmp and remove it from
/// under one another (7 of 420 failed, six at a time); a single rank needs none.
void start_alone_quickly() {
  if (is_launched()) return;
  ::setenv("OMPI_MCA_ess_singleton_isolated", "1", 0);
  ::setenv("OMPI_MCA_orte_create_session_dirs", "0", 0);
}

}  // namespace
}  // namespace scanmf::app

int main(int argc, char** argv) {
  scanmf::open_standard_streams();
  scanmf::CrashNote::print_when_crashing();
  if (scanmf::app::may_keep_state(argc, argv)) scanmf::app::hold_stop_signals();
  scanmf::app::start_alone_quickly();
  const scanmf::MpiEnvironment mpi(argc, argv);
  scanmf::limit_threads();
  const scanmf::Communicator comm;
  if (!comm.is_root()) scanmf::set_log_sink([](scanmf::LogLevel, std::string_view) {});
  return scanmf::run_ranks(comm, "scanmf", [&] { return scanmf::app::run(comm, {argv + 1, argv + argc}); });
}
