#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "scanmf/data/matrix_file.hpp"
#include "scanmf/estimator/job.hpp"

namespace scanmf {

/// What fit takes beside X.
template <Scalar T>
struct FitOptions {
  std::vector<std::string> feature_names;  // one a column of X, or none
  Factors<T>
      start;  // for init custom: W (the rows of X that this rank gives) and Ht (n_features x n_components, replicated)
  SampleWeights
      sample_weight;   // of fits: one for each row that this rank gives; of a file: for an equal share of its rows
  RunControl control;  // progress, asking to stop, account of the run
  MemoryLimit memory;  // for X of a file
  CheckpointOptions checkpoint;  // of fit: kept until it ends, and when it was asked to stop; the same fit then goes on
  std::string fingerprint;  // of X, with a checkpoint: matrix_fingerprint, or any text that other data does not have;
                            // of a DataSource, and of its weights. Empty: made of X, unless that is a DataSource
};

/// scikit-learn's NMF and MiniBatchNMF as they are used from C++: parameters, then fit, then transform and the
/// attributes.
///
///     NMF<double> nmf(comm, parameters);
///     const Matrix<double> W = nmf.fit_transform(rows.view());     m_local x k: for the same rows
///     const Matrix<double> H = nmf.components();                   k x n, replicated
///
/// X (m x n) is given in one of three ways, and W comes back accordingly:
/// - rows in the caller's memory: each rank gives its rows, any number, ranks in order, and receives the rows of W that
/// belong to them. fit copies them
///   into its own layout and frees that copy at the end;
/// - a DataSource, dense or sparse, in memory or streamed, as open() and open_source() make it: W has the rows that
/// source.partition() gives this
///   rank;
/// - a file, "FILE" or "FILE:/path" or what describe_matrix says of it: opened, fingerprinted and named as the file
/// says.
///
/// Functions that take X are collective; all others are local, and what they return is replicated. Errors: UsageError
/// with all wrong parameters, one line each, from fit, partial_fit and transform; Error from what needs a fit that has
/// not been; otherwise as fit, transform and partial_fit of estimator.hpp, the same on every rank. After an error fit
/// leaves the estimator as it was.
template <Scalar T>
class BaseNMF {
 public:
  const Parameters& parameters() const { return parameters_; }
  /// Parameters by their scikit-learn names, as text ("none" for None).
  std::vector<std::pair<std::string, std::string>> get_params() const;
  /// Sets parameters by name: all of them, or none and UsageError.
  void set_params(const std::vector<std::pair<std::string, std::string>>& params);

  /// Collective. X of a file ("FILE" or "FILE:/path", or what describe_matrix says of it), in the batches that fit
  /// takes: in memory where the limit and the factors allow it, else streamed in each pass.
  std::unique_ptr<DataSource<T>> open(const std::string& file, const MemoryLimit& memory = {}) const;
  std::unique_ptr<DataSource<T>> open(const MatrixDescription& description, const MemoryLimit& memory = {},
                                      const SampleWeights& weights = std::nullopt) const;

  /// Collective. Learns H; fit_transform also returns W (local rows x k), by the way.
  void fit(MatrixView<const T> local_rows, FitOptions<T> options = {}) {
    fit_transform(local_rows, std::move(options));
  }
  void fit(DataSource<T>& x, FitOptions<T> options = {}) { fit_transform(x, std::move(options)); }
  void fit(const std::string& file, FitOptions<T> options = {}) { fit_transform(file, std::move(options)); }
  Matrix<T> fit_transform(MatrixView<const T> local_rows, FitOptions<T> options = {});
  Matrix<T> fit_transform(DataSource<T>& x, FitOptions<T> options = {});
  Matrix<T> fit_transform(const std::string& file, FitOptions<T> options = {});
  Matrix<T> fit_transform(const MatrixDescription& x, FitOptions<T> options = {});

  /// Collective. W (local rows x k) of new rows, H fixed. sample_weight: one for each row that this rank gives; what
  /// the penalties of W are divided by, as in fit.
  Matrix<T> transform(MatrixView<const T> local_rows, const SampleWeights& sample_weight = std::nullopt) const;
  Matrix<T> transform(DataSource<T>& x) const;

  /// Local. W·H (rows of W x n) for any rows of W.
  Matrix<T> inverse_transform(MatrixView<const T> w) const;

  bool is_fitted() const { return model_.has_value(); }
  /// H (k x n), a copy.
  Matrix<T> components() const;
  Index n_components() const { return fitted().n_components; }
  Index n_features_in() const { return fitted().factors.Ht.rows(); }
  /// As fit was given them; empty: none.
  const std::vector<std::string>& feature_names_in() const;
  /// "nmf0", "nmf1", … or "minibatchnmf0", …
  std::vector<std::string> get_feature_names_out() const;
  /// Iterations; MiniBatchNMF: passes over X.
  Index n_iter() const { return fitted().n_iter; }
  /// √(2·D(X, W·H)): for beta_loss 2 the Frobenius norm of X − W·H. NaN after partial_fit and after a fit that was
  /// asked to stop.
  double reconstruction_err() const { return fitted().reconstruction_err; }
  bool converged() const { return fitted().converged; }

  /// All that the fit has left, for example to write it to a model file (saved_model.hpp). factors.Ht is Hᵀ (n x k);
  /// factors.W is empty.
  const FittedModel<T>& fitted() const;

 protected:
  /// comm must live longer than the estimator.
  BaseNMF(const Communicator& comm, Parameters parameters, Estimator estimator);

  /// Rows in a batch of fit; 0: all.
  Index batch_rows(Index n_samples) const;
  /// Collective. X of a file as it is used.
  std::unique_ptr<DataSource<T>> open_for(MatrixUse use, const MatrixDescription& description,
                                          const MemoryLimit& memory, const SampleWeights& weights = std::nullopt) const;
  std::unique_ptr<DataSource<T>> source(MatrixView<const T> local_rows, MatrixUse use,
                                        const SampleWeights& weights = std::nullopt) const;
  /// Of partial_fit.
  MatrixUse use_of_chunk() const { return model_ ? MatrixUse::next_partial_fit : MatrixUse::partial_fit; }
  void require_valid_parameters() const;
  /// Collective. The checked start when init is custom, else none (with a warning, should one be given).
  std::optional<Factors<T>> custom_start(const DataSource<T>& x, Factors<T> start) const;

  const Communicator& comm_;
  Parameters parameters_;
  std::optional<FittedModel<T>> model_;
  std::vector<std::string> feature_names_;
  std::uint32_t seed_ = 0;  // of the fit: random_state, or what was drawn for it
};

/// Non-negative matrix factorisation by passes over all of X.
template <Scalar T>
class NMF : public BaseNMF<T> {
 public:
  explicit NMF(const Communicator& comm, Parameters parameters = {})
      : BaseNMF<T>(comm, std::move(parameters), Estimator::nmf) {}
};

/// Non-negative matrix factorisation by mini-batches. A source for fit must have been opened with batches of
/// min(batch_size, m) rows, as open() does.
template <Scalar T>
class MiniBatchNMF : public BaseNMF<T> {
 public:
  explicit MiniBatchNMF(const Communicator& comm, Parameters parameters = {})
      : BaseNMF<T>(comm, std::move(parameters), Estimator::minibatch_nmf) {}

  /// Collective. One step on a chunk of X: the first one begins with the initial factors that the parameters ask for,
  /// on this chunk; later ones, and those after a fit, go on. A source must hold its rows as one batch. options are for
  /// the first step.
  void partial_fit(MatrixView<const T> local_rows, FitOptions<T> options = {});
  void partial_fit(DataSource<T>& x, FitOptions<T> options = {});
  void partial_fit(const std::string& file, FitOptions<T> options = {});

  /// Mini-batch steps so far.
  Index n_steps() const { return this->fitted().n_steps.value(); }
};

}  // namespace scanmf
