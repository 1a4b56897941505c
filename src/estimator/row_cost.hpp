#pragma once

#include "scanmf/core/types.hpp"

namespace scanmf {

/// Products with X in half an iteration (of W, of H) for this β.
Index products_with_X(double beta);

}  // namespace scanmf
