#include "app/run_setup.hpp"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdlib>

#include "app/file_roles.hpp"
#include "io/library_version.hpp"
#include "scanmf/core/log.hpp"
#include "scanmf/estimator/estimator.hpp"
#include "scanmf/linalg/operations.hpp"
#include "scanmf/parallel/environment.hpp"

namespace scanmf::app {

void apply_threads(const Communicator& comm, const CommandLine& line) {
  const int automatic = automatic_threads(comm);
  const Index wanted = line.number("threads").value_or(std::max<Index>(automatic, threads_of_environment()));
  const auto threads = static_cast<int>(std::min(wanted, most_threads()));
  if (comm.max(wanted - threads) > 0)
    log_warning(
        fmt::format("{} threads are more than four for each core of the host: {} are used (option '--threads', OMP_NUM_THREADS)", wanted, threads));
  set_threads(threads);
  const NodeLoad load = busiest_node(comm, threads);
  const bool threads_wait = comm.max(threads) > 1;
  const char* const policy = std::getenv("OMP_WAIT_POLICY");
  const bool passive = policy != nullptr && (policy[0] == 'p' || policy[0] == 'P');
  if (load.threads > load.cores && threads_wait && !passive)
    log_warning(
        fmt::format("{} threads share {} cores of a node, and those that wait keep the others from running: use fewer --threads or ranks, or set "
                    "OMP_WAIT_POLICY=passive",
                    load.threads, load.cores));
}

void check_output(const Communicator& comm, const std::string& target, const std::vector<std::string>& inputs) {
  std::vector<FileRole> roles{{"the output", target, FileUse::replaces}};
  for (const std::string& input : inputs)
    if (!input.empty()) roles.push_back({"the input", input, FileUse::reads});
  check_files(comm, roles);
}

void settle_random_generator(Parameters& parameters, const Shape& shape) {
  const Index k = resolve_n_components(parameters, shape.columns, std::nullopt);
  const bool automatic = parameters.random_generator == RandomGenerator::automatic;
  parameters.random_generator = resolve_random_generator(parameters, shape, k);
  const bool counter = parameters.random_generator == RandomGenerator::counter;
  const Init init = resolve_init(parameters.init, shape, k);
  if (init == Init::custom || (init != Init::random && !counter)) return;
  log_information(fmt::format("{} from the {} generator{}", init == Init::random ? "random factors" : "normals of the initialisation",
                              counter ? "counter" : "numpy", automatic && counter ? ": with so many draws scikit-learn's are not reproduced" : ""));
}

DataType choose_dtype(const CommandLine& line, DataType preferred) {
  const std::string given = line.text("dtype");
  if (given == "auto") return preferred;
  return given == "float32" ? DataType::float32 : DataType::float64;
}

std::string utc_now() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::chrono::system_clock::to_time_t(std::chrono::system_clock::now())));
}

Attributes provenance_attributes(const Communicator& comm, const std::string& command_line) {
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  // Of rank 0 on every rank: the clocks, names and libraries of other hosts may differ.
  const auto of_root = [&comm](const std::string& text) { return comm.broadcast(text); };
  return {{"version", std::string(SCANMF_VERSION)},
          {"command_line", of_root(command_line)},
          {"host", of_root(host.data())},
          {"ranks", static_cast<Index>(comm.size())},
          {"threads", comm.max<Index>(thread_count())},
          {"instruction_set", of_root(instruction_set())},
          {"start", of_root(utc_now())},
          {"libraries", of_root(fmt::format("{}; {}; {}", mpi_library(), hdf5::library_version(), blas_library()))}};
}

void add_end(const Communicator& comm, Attributes& provenance) { provenance.emplace_back("end", comm.broadcast(utc_now())); }

}  // namespace scanmf::app
