#include "app/memory_plan.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "core/number_text.hpp"
#include "scanmf/core/log.hpp"
#include "scanmf/parallel/environment.hpp"

namespace scanmf::app {
namespace {

constexpr double share_for_x = 0.6;

std::string in_gigabytes(double bytes) { return fmt::format("{:.3g} GB", bytes / 1e9); }

}  // namespace

std::optional<Index> parse_size(const std::string& text) {
  const std::size_t unit = std::min(text.find_first_not_of("0123456789."), text.size());
  const auto number = parse_double(text.substr(0, unit));
  std::string name = text.substr(unit);
  if (name.ends_with("iB")) name.resize(name.size() - 2);
  if (name.ends_with("B")) name.resize(name.size() - 1);
  const std::string units = "KMGTP";
  const std::size_t power = name.empty() ? 0 : units.find(name) + 1;
  if (!number || unit == 0 || name.size() > 1 || (!name.empty() && units.find(name) == std::string::npos)) return std::nullopt;
  const double bytes = *number * static_cast<double>(Index{1} << (10 * power));
  if (bytes < 1 || bytes > 9e18) return std::nullopt;
  return static_cast<Index>(bytes);
}

std::optional<Index> plan_memory(const Communicator& comm, const CommandLine& line, const MatrixDescription& description, Index n_components,
                                 DataType type) {
  const std::string text = line.text("memory");
  if (text == "none") return std::nullopt;
  if (text != "auto" && !parse_size(text))
    throw UsageError(fmt::format("--memory must be auto, none or a size such as 500M or 4G. Got '{}' instead.", text));
  const Index available = available_memory(comm);
  const auto k = static_cast<double>(n_components);
  const double local_rows = static_cast<double>(description.shape.rows) / comm.size();
  // W and its projections; H as Ht, for the kernels, and one statistic a thread and their sum.
  const double factors = static_cast<double>(size_of(type)) * k *
                         (2 * local_rows + static_cast<double>(description.shape.columns) * (4.0 + 2.0 * static_cast<double>(thread_count())));
  const double needed = comm.max(factors);
  const auto least = -comm.max(-static_cast<double>(available));
  if (needed > least) {
    throw AgreedError(
        fmt::format("the factors and statistics of {} components need {} on a rank, {} are free there: use more ranks or nodes, fewer "
                    "components, fewer threads a rank, or --dtype float32",
                    n_components, in_gigabytes(needed), in_gigabytes(least)));
  }
  const Index cap = text == "auto" ? static_cast<Index>(share_for_x * least) : *parse_size(text);
  const Index whole = bytes_in_memory(description, type, comm.size());
  if (whole > cap)
    log_information(fmt::format("X needs {} on a rank, more than {}: it is streamed from the file in each pass",
                                in_gigabytes(static_cast<double>(whole)), in_gigabytes(static_cast<double>(cap))));
  return cap;
}

}  // namespace scanmf::app
