#pragma once

#include <string>
#include <vector>

#include "scanmf/data/matrix_file.hpp"

namespace scanmf::data {

/// Leaves the columns of these names out of X: its description then has the others, as with features of one type, and
/// those that read X never see them. Logs how many there are. Throws Error where X has no names, or is turned round, or
/// nothing is left.
void exclude_features(const std::vector<std::string>& names, MatrixDescription& x);

}  // namespace scanmf::data
