#pragma once

#include <optional>
#include <string>
#include <vector>

#include "scanmf/data/matrix_file.hpp"

namespace scanmf {

/// Collective. The weights of the rows of X: of a 1-D dataset of numbers, "FILE:/path", or of a column of the file of X
/// itself, "obs/NAME". Each rank gets those of an equal share of the rows, in the order of X (slice_offsets). Errors:
/// no such dataset, not numbers, not one a row.
std::vector<double> read_sample_weights(const Communicator& comm, const std::string& name, const MatrixDescription& x);

/// Collective. Weights go with the rows of X that a rank gives, or with its share of those of a file. False when no
/// rank has weights; AgreedError where one has not one for each of its rows.
bool require_a_weight_each(const Communicator& comm, const std::optional<std::vector<double>>& weights, Index own_rows);

}  // namespace scanmf
