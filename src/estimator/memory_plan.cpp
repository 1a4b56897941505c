#include "estimator/factor_memory.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "core/number_text.hpp"
#include "estimator/gram_memory.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/log.hpp"
#include "scanmf/linalg/column_grams.hpp"
#include "scanmf/parallel/environment.hpp"
#include "scanmf/solver/loss.hpp"

namespace scanmf {
namespace {

constexpr double share_for_x = 0.6;

std::string in_gigabytes(double bytes) { return fmt::format("{:.3g} GB", bytes / 1e9); }

/// What needs most of the memory, and the way out.
std::string way_out_of_grams(Index n_components) {
  return fmt::format(
      "{} numbers a column that coordinate descent sums where entries of X are missing: --solver mu "
      "needs none of these",
      n_components * (n_components + 1) / 2);
}

/// What X may take beside factors where nobody has said it.
double automatic_cap(double free, double factors) {
  return std::min(share_for_x * free, std::max(0.0, free - factors));
}

/// Collective.
HeldSums sums_of(const Communicator& comm, const MatrixDescription& x, int ranks) {
  return held_sums(comm, x.kind(), x.shape, x.stored, ranks);
}

}  // namespace

double least_available(const Communicator& comm) { return -comm.max(-static_cast<double>(available_memory(comm))); }

HeldSums held_sums(const Communicator& comm, StorageKind kind, const Shape& shape, Index stored, int ranks) {
  return {sums_at_a_time(kind, shape, stored, ranks, comm.max<Index>(thread_count())),
          sums_at_a_time(kind, shape, stored, ranks, 1), stored};
}

ObservedSums observed_sums(const Parameters& parameters, StorageKind kind) {
  if (parameters.missing == Missing::none) return ObservedSums::none;
  if (parameters.estimator == Estimator::nmf && parameters.solver == Solver::cd) return ObservedSums::column_grams;
  const Observed observed = parameters.missing == Missing::zero ? Observed::not_zero : Observed::not_nan;
  if (denominator_kind(kind, observed) == StorageKind::csr) return ObservedSums::of_stored;
  const Loss loss = loss_of(parameters.beta_loss).where(kind, observed);
  if (loss.needs_subset_sums(kind)) return ObservedSums::of_subsets;
  return loss.gram_of_H ? ObservedSums::rows_of_Ht : ObservedSums::none;
}

std::optional<Index> parse_size(const std::string& text) {
  const std::size_t unit = std::min(text.find_first_not_of("0123456789."), text.size());
  const auto number = parse_double(text.substr(0, unit));
  std::string name = text.substr(unit);
  if (name.ends_with("iB")) name.resize(name.size() - 2);
  if (name.ends_with("B")) name.resize(name.size() - 1);
  const std::string units = "KMGTP";
  const std::size_t power = name.empty() ? 0 : units.find(name) + 1;
  if (!number || unit == 0 || name.size() > 1 || (!name.empty() && units.find(name) == std::string::npos))
    return std::nullopt;
  const double bytes = *number * static_cast<double>(Index{1} << (10 * power));
  if (bytes < 1 || bytes > 9e18) return std::nullopt;
  return static_cast<Index>(bytes);
}

MemoryLimit parse_memory(const std::string& text) {
  if (text == "auto") return {};
  if (text == "none") return {false, std::nullopt};
  if (const auto size = parse_size(text)) return {false, size};
  throw UsageError(fmt::format("--memory must be auto, none or a size such as 500M or 4G. Got '{}' instead.", text));
}

std::optional<Index> parse_memory(const std::string& text, Index automatic) {
  const MemoryLimit limit = parse_memory(text);
  return limit.automatic ? automatic : limit.bytes;
}

FactorBytes factor_bytes(const Shape& shape, Index n_components, DataType type, const HeldSums& sums, int ranks,
                         ObservedSums observed) {
  const double element = static_cast<double>(size_of(type)) * static_cast<double>(n_components);
  const auto parts = static_cast<double>(sums.of_strata);
  // H as Ht and for the kernels, statistics of strata and their sum; W and its projections, and as columns sum it.
  const double of_columns = element * static_cast<double>(shape.columns);
  FactorBytes bytes;
  const bool column_grams = observed == ObservedSums::column_grams;
  if (column_grams)
    bytes.grams = column_gram_bytes(shape.columns, n_components, type) * (1.0 + static_cast<double>(sums.of_blocks));
  bytes.statistics = of_columns * (4.0 + 2.0 * parts) + bytes.grams;
  if (observed == ObservedSums::of_subsets) bytes.statistics += subset_sum_bytes(shape.columns, n_components, type);
  if (observed == ObservedSums::rows_of_Ht) bytes.statistics += of_columns;
  if (observed == ObservedSums::of_stored)
    bytes.statistics += parts * column_order_bytes(shape.columns, n_components, sums.stored, type);
  bytes.W = (column_grams ? 3 : 2) * element * static_cast<double>(shape.rows) / ranks;
  return bytes;
}

bool fits_in_memory(const Communicator& comm, const MemoryLimit& limit, const MatrixDescription& description,
                    Index n_components, DataType type, ObservedSums observed, int ranks) {
  const double free = least_available(comm);
  const double factors =
      factor_bytes(description.shape, n_components, type, sums_of(comm, description, ranks), ranks, observed).all();
  const auto whole = static_cast<double>(bytes_in_memory(description, type, ranks));
  if (limit.bytes) return whole <= static_cast<double>(*limit.bytes) && whole + factors <= free;
  return whole <= automatic_cap(free, factors);
}

std::optional<Index> plan_memory(const Communicator& comm, const MemoryLimit& limit,
                                 const MatrixDescription& description, Index n_components, DataType type,
                                 HeldW rows_of_W, ObservedSums observed) {
  return plan_memory_of(comm, comm.size(), limit, description, n_components, type, rows_of_W, observed);
}

std::optional<Index> plan_memory_of(const Communicator& comm, int ranks, const MemoryLimit& limit,
                                    const MatrixDescription& description, Index n_components, DataType type,
                                    HeldW rows_of_W, ObservedSums observed) {
  const double free = least_available(comm);
  const auto [statistics, grams, W] =
      factor_bytes(description.shape, n_components, type, sums_of(comm, description, ranks), ranks, observed);
  const Index whole = bytes_in_memory(description, type, ranks);
  const auto cap = [&](double factors) {
    if (limit.automatic) return static_cast<Index>(automatic_cap(free, factors));
    return limit.bytes.value_or(std::numeric_limits<Index>::max());
  };
  const bool holds_W = rows_of_W == HeldW::always || whole <= cap(statistics + W);
  const double needed = statistics + (holds_W ? W : 0);
  if (needed > free) {
    const std::string of_grams = grams > needed / 2 ? fmt::format(" ({} of them for the {})", in_gigabytes(grams),
                                                                  way_out_of_grams(n_components))
                                                    : "";
    throw AgreedError(
        fmt::format("the factors and statistics of {} components need {} on a rank{}, {} are free there: use more "
                    "ranks or nodes, fewer components, fewer threads a rank, or --dtype float32",
                    n_components, in_gigabytes(needed), of_grams, in_gigabytes(free)));
  }
  if (!limit.automatic && !limit.bytes) return std::nullopt;
  if (whole > cap(needed))
    log_information(fmt::format("X needs {}{} on a rank, more than {}: it is streamed from the file in each pass",
                                description.columns.empty() ? "" : "at most ",  // all features' elements are counted
                                in_gigabytes(static_cast<double>(whole)),
                                in_gigabytes(static_cast<double>(cap(needed)))));
  return cap(needed);
}

void require_room_for_column_grams(const Communicator& comm, double bytes, Index parts, Index n_components) {
  const double free = least_available(comm);
  const double needed = comm.max(bytes * (1.0 + static_cast<double>(parts)));
  if (needed > free)
    throw AgreedError(fmt::format("{} are needed on a rank for the {}; {} are free there", in_gigabytes(needed),
                                  way_out_of_grams(n_components), in_gigabytes(free)));
}

}  // namespace scanmf
