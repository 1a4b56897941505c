#pragma once

namespace scanmf {

/// d_β(x | y) of one element, x >= 0; y is at least scikit-learn's epsilon, as it guards them (solver/loss.cpp).
double element_divergence(double x, double y, double beta);

}  // namespace scanmf
