#include <fmt/format.h>

#include <cmath>

#include "app/commands.hpp"
#include "app/named_pairs.hpp"
#include "app/run_log.hpp"
#include "app/run_setup.hpp"
#include "data/input_name.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/data/matrix_file.hpp"
#include "scanmf/model/prediction.hpp"

namespace scanmf::app {

int predict(const Communicator& comm, const CommandLine& line) {
  RunLog log(comm, line);
  const std::string model = line.inputs()[0];
  const std::string target = line.text("output");
  const data::InputName pairs = data::parse_input(line.inputs()[1]);
  const ModelHeader header = read_model_header(comm, model);
  check_output(comm, target, {model, pairs.file});
  if (header.estimator.empty()) throw AgreedError(fmt::format("'{}' is no model file", model));
  const bool has_W = dataset_info(comm, model, "/W").has_value();
  if (!has_W && header.n_steps && std::isnan(header.reconstruction_err))
    throw AgreedError(
        fmt::format("'{}' was learned by partial-fit, which keeps no W: make W with transform, and "
                    "multiply it with inverse-transform",
                    model));
  if (!has_W) throw AgreedError(fmt::format("'{}' has no /W: it was written with --save-w false", model));
  const std::optional<std::vector<Index>> named = named_pairs(comm, pairs, header);
  const Index count = named ? predict_pairs(comm, model, header, *named, target)
                            : predict_pairs(comm, model, header, {pairs.file, pairs.path}, target);
  log.print(fmt::format("{} values: {}\n", count, target));
  return static_cast<int>(ExitStatus::done);
}

}  // namespace scanmf::app
