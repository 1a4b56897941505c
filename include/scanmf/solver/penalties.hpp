#pragma once

#include "scanmf/core/types.hpp"

namespace scanmf {

/// Coefficients of the objective's penalties, scaled as scikit-learn does.
struct Penalties {
  double l1_W = 0;
  double l2_W = 0;
  double l1_H = 0;
  double l2_H = 0;

  /// Whether W has any.
  bool has_W() const { return l1_W != 0 || l2_W != 0; }
  /// The objective: the divergence and what is paid for ΣW, ΣH, ‖W‖², ‖H‖².
  double objective(double divergence, double w_sum, double h_sum, double w_norm_squared, double h_norm_squared) const {
    return divergence + l1_W * w_sum + l1_H * h_sum + l2_W * w_norm_squared + l2_H * h_norm_squared;
  }
};

/// l1_W = n·alpha_W·l1_ratio, l2_W = n·alpha_W·(1 − l1_ratio), l1_H and l2_H likewise with alpha_H and the number of
/// samples.
inline Penalties penalties_of(double alpha_W, double alpha_H, double l1_ratio, Index n_features, Index n_samples) {
  const auto n = static_cast<double>(n_features);
  const auto m = static_cast<double>(n_samples);
  return {n * alpha_W * l1_ratio, n * alpha_W * (1 - l1_ratio), m * alpha_H * l1_ratio, m * alpha_H * (1 - l1_ratio)};
}

}  // namespace scanmf
