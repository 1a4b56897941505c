#include "estimator/row_cost.hpp"

#include "scanmf/solver/loss.hpp"

namespace scanmf {

Index products_with_X(double beta) { return loss_of(beta).products(); }

}  // namespace scanmf
