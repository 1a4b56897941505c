#pragma once

#include <algorithm>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "scanmf/core/timer.hpp"
#include "scanmf/data/data_source.hpp"
#include "scanmf/estimator/parameters.hpp"
#include "scanmf/estimator/solver_state.hpp"
#include "scanmf/init/initial_factors.hpp"

namespace scanmf {

/// One entry an iteration (NMF) or mini-batch step (MiniBatchNMF), replicated.
struct History {
  // iteration, seconds, then violation | error | cost, smoothed_cost, h_change; in any order
  std::vector<std::pair<std::string, std::vector<double>>> columns;

  /// A value for each column; the first entry makes them.
  void append(std::span<const std::pair<const char*, double>> entry) {
    for (const auto& [name, value] : entry) {
      auto column = std::ranges::find(columns, name, &std::pair<std::string, std::vector<double>>::first);
      if (column == columns.end()) column = columns.insert(columns.end(), {name, {}});
      column->second.push_back(value);
    }
  }
};

/// What a running fit or transform tells after each iteration or step, on every rank.
struct Progress {
  Index iteration = 0;               // iterations or steps done; behind the last step of fresh restarts, updates of W
  Index max_iteration = 0;           // at most this many
  double seconds = 0;                // of this iteration alone
  const char* measure = "";          // "violation", "error" or "cost"
  double value = 0;                  // relative to the first one for violation and error; NaN where not evaluated
  const History* history = nullptr;  // of a fit so far, this iteration included
};

/// One kind of collective call: how many, bytes of the arrays and seconds of this rank, waiting for others included.
struct CollectiveCost {
  Index calls = 0;
  double bytes = 0;
  double seconds = 0;
};

/// What a run has cost this rank.
struct RunReport {
  PhaseTimes times;
  CollectiveCost allreduce;       // sums of scalars and Gram matrices
  CollectiveCost reduce_scatter;  // n × k statistics
  CollectiveCost allgather;       // H
  CollectiveCost exchange;        // rows of X that another rank has read
  // Floating-point operations on X, by the formula 4·m·n·k an iteration (8·m·n·k for β ≠ 2; sparse: non-zeros for m·n).
  double block_flops = 0;
  double block_bytes = 0;  // bytes of X read by the kernels, one reading a pass
  Index passes = 0;
  Index updates = 0;  // of W that transform has done
};

/// How a fit or transform is run; nothing here changes its result.
struct RunControl {
  std::function<void(const Progress&)> on_progress;  // may be empty
  std::function<bool()>
      stop_requested;           // local; when it is true on any rank, all stop after the iteration; may be empty
  RunReport* report = nullptr;  // may be null
};

/// A fitted estimator: scikit-learn's attributes.
template <Scalar T>
struct FittedModel {
  Parameters parameters;
  Index n_components = 0;
  Factors<T> factors;  // W: local rows; Ht: replicated
  Index n_samples = 0;
  Index n_iter = 0;
  std::optional<Index> n_steps;   // MiniBatchNMF
  double reconstruction_err = 0;  // √(2·D(X, W·H))
  bool converged = false;         // false: stopped by max_iter, or asked to stop
  bool stopped = false;           // asked to stop before the end
  History history;
  SolverState<T> state;  // what an interrupted fit or partial_fit goes on with
};

/// A run whose state can be saved between two iterations.
template <Scalar T>
struct FitControl : RunControl {
  FitControl() = default;
  explicit FitControl(const RunControl& control) : RunControl(control) {}

  std::function<bool()>
      checkpoint_due;  // local, asked once an iteration; true on any rank: all ranks save. May be empty
  std::function<void(const FittedModel<T>&)> save;  // collective; the model as it is after an iteration
};

/// k for X with `n_features` columns, and rows of the custom H where there is one (None: n_features; 'auto': rows of
/// the custom H, else n_features).
Index resolve_n_components(const Parameters& parameters, Index n_features, std::optional<Index> custom_H_rows);

/// Collective. The same; the shape of /H in init_file is looked at where it decides (auto with init custom). Errors: as
/// of custom_components.
Index resolve_n_components(const Communicator& comm, const Parameters& parameters, Index n_features,
                           const std::string& init_file);

/// The initialisation that none stands for: nndsvda where k <= min(m, n), else random.
Init resolve_init(Init init, const Shape& shape, Index n_components);

/// Where the normals of the initialisation come from: numpy or counter, as random_generator says; auto: numpy for up to
/// 2²⁶ draws, (m + n)·k of them for random factors and for the fills of nndsvdar, min(m, n)·(k + 10) for the sketch of
/// nndsvd*.
RandomGenerator resolve_random_generator(const Parameters& parameters, const Shape& shape, Index n_components);

/// Collective. The seed that random_state gives; none: drawn by rank 0, logged.
std::uint32_t choose_seed(const Communicator& comm, const Parameters& parameters);

/// Collective. Fits NMF or MiniBatchNMF (parameters.estimator) to X. x: for MiniBatchNMF opened with batch_rows =
/// min(batch_size, m). seed: used where random_state says so. init_file: for init custom. Warnings (max_iter reached,
/// mu with nndsvd) go to the log from rank 0's sink. Errors: cross checks that need X (k > min(m, n) with nndsvd*,
/// zeros with beta_loss <= 0), custom factors, numbers that become NaN or infinite.
template <Scalar T>
FittedModel<T> fit(DataSource<T>& x, const Parameters& parameters, const Seed& seed, const std::string& init_file = {},
                   const FitControl<T>& control = {});

/// Collective. The same from given initial factors, which are consumed.
template <Scalar T>
FittedModel<T> fit_from(DataSource<T>& x, const Parameters& parameters, const Seed& seed, Factors<T> initial,
                        const FitControl<T>& control = {});

/// One of several fits over the same X.
template <Scalar T>
struct FitTask {
  Parameters parameters;
  Seed seed = 0;
  Factors<T> initial;  // consumed
};

/// Collective. Several fits at once, each the same to the bit as fit_from alone: X is read once an iteration for all
/// that are still running. For MiniBatchNMF all with the same batch_size. control: of all of them; save is called for
/// each.
template <Scalar T>
std::vector<FittedModel<T>> fit_together(DataSource<T>& x, std::vector<FitTask<T>> tasks,
                                         const FitControl<T>& control = {});

/// Collective. Goes on with a fit where a saved model stopped, to the same end: with the same numbers of ranks and
/// threads, bit for bit.
template <Scalar T>
void continue_fit(DataSource<T>& x, const Seed& seed, FittedModel<T>& model, const FitControl<T>& control = {});

/// Collective. W of new rows with H fixed, in the order of x's partition: the estimator's transform. Asked to stop, it
/// throws AgreedError with ExitStatus::stopped.
template <Scalar T>
Matrix<T> transform(DataSource<T>& x, const Matrix<T>& Ht, const Parameters& parameters, const Seed& seed,
                    const RunControl& control = {});

/// Takes rows of W (or of a product with it) from `first_row` on; each row is given once, by the rank that has it.
template <Scalar T>
using RowsWriter = std::function<void(Index first_row, MatrixView<const T> rows)>;

/// Collective. The same to the bit, for W that is to be written, not kept. When X is streamed, W arises block by block
/// and X is read about twice, however many iterations there are; where W and X·Hᵀ fit into `memory` beside the blocks
/// of X (bytes a rank, nullopt: they do), β = 2 needs X once.
template <Scalar T>
void transform(DataSource<T>& x, const Matrix<T>& Ht, const Parameters& parameters, const Seed& seed,
               const RowsWriter<T>& write, std::optional<Index> memory, const RunControl& control = {});

/// Collective. A model with the initial factors that parameters ask for, on x: what the first partial_fit begins with.
template <Scalar T>
FittedModel<T> unfitted_model(DataSource<T>& x, const Parameters& parameters, const Seed& seed,
                              const std::string& init_file = {});

/// Collective. One mini-batch step on all rows of x (opened as one batch) with a W solved from scratch: MiniBatchNMF's
/// partial_fit. A model without n_steps is started from its factors.Ht first; factors.W is not used. Accumulators, H
/// and n_steps are updated. on_progress: told once, of this step.
template <Scalar T>
void partial_fit(DataSource<T>& x, FittedModel<T>& model, const RunControl& control = {});

/// Local. rows of W (r × k) times H, into x (r × n).
template <Scalar T>
void inverse_transform(MatrixView<const T> w, const Matrix<T>& Ht, MatrixView<T> x);

/// Share of non-zeros from which a sparse matrix is faster held dense, for the loss β; above 1: never.
template <Scalar T>
double dense_from(double beta);

/// Collective. D(X, W·H), the β-divergence (β = 2: half the squared Frobenius norm), by a direct pass over X.
template <Scalar T>
double beta_divergence(DataSource<T>& x, const Matrix<T>& W, const Matrix<T>& Ht, double beta,
                       const RunControl& control = {});

}  // namespace scanmf
