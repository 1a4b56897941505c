#pragma once

#include <optional>
#include <string>

#include "scanmf/core/types.hpp"
#include "scanmf/data/matrix_file.hpp"
#include "scanmf/parallel/communicator.hpp"

namespace scanmf {

/// The most bytes of X that a rank holds. Beyond it X is streamed from its file.
struct MemoryLimit {
  bool automatic = true;       // 60 % of what is free, no more than the factors leave
  std::optional<Index> bytes;  // otherwise; nullopt: no limit
};

/// "4G", "500M", "1.5GiB", "1000000": bytes (powers of 1024). nullopt for other text.
std::optional<Index> parse_size(const std::string& text);

/// "auto", "none" or a size. Throws UsageError.
MemoryLimit parse_memory(const std::string& text);
/// The same in bytes, with what auto stands for; nullopt: no limit.
std::optional<Index> parse_memory(const std::string& text, Index automatic);

/// Whether a rank holds its rows of W.
enum class HeldW {
  always,  // fit
  with_X   // transform: as long as X is held too; when X is streamed, rows of W are written as they arise
};

/// What is kept of each column of X beside the statistics, because not all entries are observed.
enum class ObservedSums {
  none,
  column_grams,  // Gram matrices, by coordinate descent
  of_subsets,    // sums of components of H, by the Kullback-Leibler divergence with dense X
  rows_of_Ht,    // a second layout of H, by multiplicative updates with the Frobenius norm and dense X
  of_stored      // stored elements in the order of columns, by multiplicative updates with sparse X
};

/// Collective. The most bytes of X that a rank holds; nullopt: no limit. Throws AgreedError with the numbers when the
/// factors and statistics of n_components cannot fit beside it.
std::optional<Index> plan_memory(const Communicator& comm, const MemoryLimit& limit,
                                 const MatrixDescription& description, Index n_components, DataType type,
                                 HeldW rows_of_W = HeldW::always, ObservedSums observed = ObservedSums::none);

}  // namespace scanmf
