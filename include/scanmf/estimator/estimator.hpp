#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "scanmf/core/timer.hpp"
#include "scanmf/data/data_source.hpp"
#include "scanmf/estimator/parameters.hpp"
#include "scanmf/init/initial_factors.hpp"

namespace scanmf {

/// One entry an iteration (NMF) or mini-batch step (MiniBatchNMF), replicated.
struct History {
  std::vector<std::pair<std::string, std::vector<double>>> columns;  // iteration, seconds, then violation | error | cost, smoothed_cost, h_change
};

/// What a running fit or transform tells after each iteration or step, on every rank.
struct Progress {
  Index iteration = 0;       // iterations or steps done
  Index max_iteration = 0;   // at most this many
  double seconds = 0;        // of this iteration alone
  const char* measure = "";  // "violation", "error" or "cost"
  double value = 0;          // relative to the first one for violation and error; NaN where not evaluated
};

/// What a run has cost this rank.
struct RunReport {
  PhaseTimes times;
  double block_flops = 0;   // floating-point operations on X, by the formula 4·m·n·k an iteration (8·m·n·k for β ≠ 2; sparse: non-zeros for m·n)
  double block_bytes = 0;   // bytes of X read by the kernels, one reading a pass
  Index passes = 0;
};

/// How a fit is run; nothing here changes its result.
struct RunControl {
  std::function<void(const Progress&)> on_progress;  // may be empty
  RunReport* report = nullptr;                       // may be null
};

/// A fitted estimator: scikit-learn's attributes.
template <Scalar T>
struct FittedModel {
  Parameters parameters;
  Index n_components = 0;
  Factors<T> factors;             // W: local rows; Ht: replicated
  Index n_samples = 0;
  Index n_iter = 0;
  std::optional<Index> n_steps;   // MiniBatchNMF
  double reconstruction_err = 0;  // √(2·D(X, W·H))
  bool converged = false;         // false: stopped by max_iter
  History history;
};

/// k for X with `n_features` columns, and rows of the custom H where there is one (None: n_features; 'auto': rows of the custom H, else n_features).
Index resolve_n_components(const Parameters& parameters, Index n_features, std::optional<Index> custom_H_rows);

/// Collective. Fits NMF or MiniBatchNMF (parameters.estimator) to X.
/// x: for MiniBatchNMF opened with batch_rows = min(batch_size, m). seed: used where random_state says so (the same on every rank).
/// init_file: for init custom. Warnings (max_iter reached, mu with nndsvd) go to the log from rank 0's sink.
/// Errors: cross checks that need X (k > min(m, n) with nndsvd*, zeros with beta_loss <= 0), custom factors, numbers that become NaN or infinite.
template <Scalar T>
FittedModel<T> fit(DataSource<T>& x, const Parameters& parameters, std::uint32_t seed, const std::string& init_file = {}, const RunControl& control = {});

/// Collective. The same from given initial factors, which are consumed.
template <Scalar T>
FittedModel<T> fit_from(DataSource<T>& x, const Parameters& parameters, std::uint32_t seed, Factors<T> initial, const RunControl& control = {});

/// Collective. W of new rows with H fixed, in the order of x's partition: the estimator's transform.
template <Scalar T>
Matrix<T> transform(DataSource<T>& x, const Matrix<T>& Ht, const Parameters& parameters, std::uint32_t seed, const RunControl& control = {});

/// Local. rows of W (r × k) times H, into x (r × n).
template <Scalar T>
void inverse_transform(MatrixView<const T> w, const Matrix<T>& Ht, MatrixView<T> x);

/// Collective. D(X, W·H), the β-divergence (β = 2: half the squared Frobenius norm), by a direct pass over X.
template <Scalar T>
double beta_divergence(DataSource<T>& x, const Matrix<T>& W, const Matrix<T>& Ht, double beta);

}  // namespace scanmf
