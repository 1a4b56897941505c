#include "app/run_setup.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>

#include "app/file_roles.hpp"
#include "app/time_limit.hpp"
#include "core/printable.hpp"
#include "data/excluded_features.hpp"
#include "formats/formats.hpp"
#include "parallel/launcher.hpp"
#include "scanmf/core/log.hpp"
#include "scanmf/data/sample_weights.hpp"
#include "scanmf/estimator/job.hpp"
#include "scanmf/linalg/threads.hpp"
#include "scanmf/parallel/environment.hpp"

namespace scanmf::app {

void apply_threads(const Communicator& comm, const CommandLine& line) {
  if (const int processes = strangers(comm); processes > 1)
    log_warning(
        fmt::format("{} processes were started, and each of them is alone and does all the work: the launcher belongs "
                    "to another MPI "
                    "than {}; start it with that one's mpirun (srun: --mpi=pmix or pmi2)",
                    processes, mpi_library()));
  const int automatic = automatic_threads(comm);
  const Index wanted = line.number("threads").value_or(std::max<Index>(automatic, threads_of_environment()));
  const auto threads = static_cast<int>(std::min(wanted, most_threads()));
  if (comm.max(wanted - threads) > 0)
    log_warning(fmt::format(
        "{} threads are more than four for each core of the host: {} are used (option '--threads', OMP_NUM_THREADS)",
        wanted, threads));
  set_threads(threads);
  const NodeLoad load = busiest_node(comm, threads);
  if (load.threads <= load.cores) return;
  const auto begins_with = [](const char* name, std::string_view letters) {
    const char* const value = std::getenv(name);
    return value != nullptr && letters.find(value[0]) != std::string_view::npos;
  };
  if (comm.max(threads) == 1 && !begins_with("OMPI_MCA_mpi_yield_when_idle", "1tT"))
    log_warning(fmt::format(
        "{} ranks share {} cores of a node, and those that wait keep the others from running: use fewer ranks",
        load.threads, load.cores));
  if (comm.max(threads) > 1 && !begins_with("OMP_WAIT_POLICY", "pP"))
    log_warning(
        fmt::format("{} threads share {} cores of a node, and those that wait keep the others from running: use fewer "
                    "--threads or ranks, or set "
                    "OMP_WAIT_POLICY=passive",
                    load.threads, load.cores));
}

void check_output(const Communicator& comm, const std::string& target, const std::vector<std::string>& inputs) {
  std::vector<FileRole> roles{{"the output", target, FileUse::replaces}};
  for (const std::string& input : inputs)
    if (!input.empty()) roles.push_back({"the input", input, FileUse::reads});
  check_files(comm, roles);
  constexpr std::array names_of_others{".csv", ".json", ".mtx", ".npy", ".npz", ".parquet", ".tsv", ".txt", ".xlsx"};
  const std::string extension = std::filesystem::path(target).extension().string();
  if (std::ranges::find(names_of_others, extension) != names_of_others.end())
    log_warning(fmt::format("'{}' will be an HDF5 file, whatever its name says (scanmf export writes CSV and TSV)",
                            printable(target)));
}

CheckpointOptions checkpoint_options(const Communicator& comm, const CommandLine& line) {
  return checkpoint_options(
      comm, {line.text("checkpoint"), line.text("checkpoint-every"), line.text("resume"), line.text("max-time")});
}

void tell_how_to_stop(const Communicator& comm, const std::string& checkpoint) {
  if (!checkpoint.empty())
    log_information(fmt::format("to stop it, with its state kept: touch '{}', or kill -USR1 of mpirun (not Ctrl-C)",
                                stop_file(checkpoint)));
  else if (comm.size() > 1)
    log_information("no --checkpoint: what is stopped (Ctrl-C, a time limit of the job) is lost");
}

void warn_of_automatic_components(const CommandLine& line, const Shape& shape) {
  constexpr Index many = 100;
  if (line.number("n-components") || line.text("init") == "custom") return;
  if (line.is_given("n-components") && shape.columns <= many) return;
  log_warning(fmt::format("{}: {} components, as many as X has columns",
                          line.is_given("n-components") ? "-k " + line.text("n-components") : "no -k given",
                          shape.columns));
}

InputOptions input_options(const CommandLine& line) {
  InputOptions options;
  const std::string transpose = line.text("transpose");
  if (transpose != "auto") options.transpose = transpose == "true";
  options.feature_type = line.text("feature-type");
  return options;
}

void exclude_features(const Communicator& comm, const CommandLine& line, MatrixDescription& x) {
  if (!line.is_given("exclude-features")) return;
  comm.agree([&] { data::exclude_features(formats::read_names(line.text("exclude-features")), x); });
}

MatrixDescription describe_input(const Communicator& comm, const CommandLine& line, const char* estimator) {
  MatrixDescription x = describe_matrix(comm, line.inputs().front(), estimator, input_options(line));
  exclude_features(comm, line, x);
  return x;
}

SampleWeights sample_weights(const Communicator& comm, const CommandLine& line, const MatrixDescription& x) {
  if (!line.is_given("sample-weight")) return std::nullopt;
  return read_sample_weights(comm, line.text("sample-weight"), x);
}

void log_input(const std::string& input, const MatrixDescription& x, DataType type) {
  log_information(fmt::format("X of {}: {} x {}, {} ({} stored), computing in {}", input, x.shape.rows, x.shape.columns,
                              x.element_type, x.stored, name_of(type)));
}

DataType choose_dtype(const CommandLine& line, DataType preferred) {
  const std::string given = line.text("dtype");
  if (given == "auto") return preferred;
  return given == "float32" ? DataType::float32 : DataType::float64;
}

}  // namespace scanmf::app
