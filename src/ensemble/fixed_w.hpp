#pragma once

#include <vector>

#include "scanmf/estimator/estimator.hpp"

namespace scanmf {

/// Collective. Solves for H with W fixed, for several models that share each pass over X: transform's rule for the
/// transpose of X. A model's W stays, its Ht is solved for from the start of a transform; its parameters are those of
/// the transform, so that alpha_W is the penalty. Asked to stop, it throws AgreedError with ExitStatus::stopped.
template <Scalar T>
void solve_for_H(DataSource<T>& x, std::vector<FittedModel<T>>& models, const RunControl& control);

}  // namespace scanmf
