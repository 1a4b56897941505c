#pragma once

#include <string>
#include <vector>

#include "scanmf/data/matrix_file.hpp"

namespace scanmf {

/// Collective. The weights of the rows of X: of a 1-D dataset of numbers, "FILE:/path", or of a column of the file of X
/// itself, "obs/NAME". Each rank gets those of an equal share of the rows, in the order of X (slice_offsets). Errors:
/// no such dataset, not numbers, not one a row.
std::vector<double> read_sample_weights(const Communicator& comm, const std::string& name, const MatrixDescription& x);

}  // namespace scanmf
