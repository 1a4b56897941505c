#pragma once

#include <span>
#include <string>
#include <vector>

#include "scanmf/model/model_file.hpp"

namespace scanmf {

/// What a model file says of one of its arrays, before anything of it is read.
struct ArrayInfo {
  std::string path;               // "/state/A"
  std::vector<Index> dimensions;  // of the dataset
  std::string type;               // "float64", "string", …
  bool is_text = false;
  bool is_number = false;
};

/// Counters of files are exact as floating-point numbers too, and sums of some of them fit.
constexpr Index largest_counter = Index{1} << 53;

/// The schema of model files. Plain arithmetic on what a file says:
///
///     n_components k, n_features_in n, n_samples m    1 … 2⁵³       n_iter, n_steps    0 … 2⁵³; n_steps: of
///                                                                                       mini-batch models alone
///     /H              k × n, float32 or float64: `dtype`             reconstruction_err ≥ 0, or NaN
///     /W              m × k, as /H                                   converged          bool
///     /feature_names  n strings      /obs_names  m strings
///     /history/…      vectors of one length, no longer than there are steps (iterations where there are none)
///     /state/…        matrices of any shape, as /H: whoever reads them knows which
///
/// Throws Error "FILE:/path is …: expected …, found …". header: its numbers, estimator and dtype.
void check_schema(const std::string& file, const ModelHeader& header, std::span<const ArrayInfo> arrays);

}  // namespace scanmf
