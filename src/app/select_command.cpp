#include <fmt/format.h>

#include "app/commands.hpp"
#include "app/model_parameters.hpp"
#include "app/run_log.hpp"
#include "app/run_setup.hpp"
#include "scanmf/ensemble/ensemble_file.hpp"

namespace scanmf::app {

int select(const Communicator& comm, const CommandLine& line) {
  const RunLog log(comm, line);
  const EnsembleFile ensemble = read_ensemble(comm, line.inputs().front());
  const std::optional<Index> k = line.is_given("n-components") ? line.number("n-components") : ensemble.chosen_k;
  if (!k) throw AgreedError(fmt::format("{}: no k was chosen, none is stable: name one (option '-k')", ensemble.file));
  const std::string target = line.text("output");
  check_output(comm, target, {ensemble.file});
  Attributes provenance = provenance_attributes(comm, line.written());
  copy_place_of_x(ensemble.provenance, provenance);
  add_end(comm, provenance);
  const int status = with_scalar(ensemble.dtype, [&]<Scalar T>() {
    write_consensus<T>(comm, ensemble, *k, target, provenance);
    return static_cast<int>(ExitStatus::done);
  });
  log.print(fmt::format("consensus of {} replicates with {} components\nmodel: {}\n", ensemble.replicates, *k, target));
  return status;
}

}  // namespace scanmf::app
