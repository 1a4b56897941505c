#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "scanmf/data/data_source.hpp"

namespace scanmf {

/// What of X is observed, and what is done with rows and columns of which nothing is.
struct ObserveOptions {
  Observed observed = Observed::all;  // not_nan: X was loaded so
  bool keep_empty = false;            // else refused
  bool keep_empty_columns = false;    // these alone, of which a model knows already
  std::string place = {};             // of X, for messages; empty: in memory
  std::string hint = {};              // how to keep them, for messages
};

/// Collective. X with what is observed of it, and with a weight for each row of this rank, in the order of its W
/// (nullopt: 1 each). Reads X once to count. X itself where all is observed and rows have no weights. Errors: rows or
/// columns without observed elements (columns: in rows of weight > 0), unless they are kept; weights that are negative,
/// not finite, or all 0.
template <Scalar T>
std::unique_ptr<DataSource<T>> observed_source(std::unique_ptr<DataSource<T>> x, const ObserveOptions& options,
                                               std::optional<std::vector<double>> weights = std::nullopt);

}  // namespace scanmf
