#include "scanmf/estimator/decomposition.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "scanmf/core/error.hpp"
#include "scanmf/core/log.hpp"
#include "scanmf/data/rows_in_memory.hpp"
#include "scanmf/data/sample_weights.hpp"

namespace scanmf {
namespace {

template <Scalar T>
JobOptions job_options(const FitOptions<T>& options) {
  const RunControl& control = options.control;
  JobOptions job;
  job.checkpoint = options.checkpoint;
  job.on_progress = control.on_progress;
  job.report = control.report;
  if (control.stop_requested)
    job.stop_requested = [asked = control.stop_requested] {
      return asked() ? std::optional<std::string>("asked to stop") : std::nullopt;
    };
  return job;
}

template <Scalar T>
DenseRows as_rows(MatrixView<const T> rows) {
  constexpr auto element = static_cast<Index>(sizeof(T));
  return {rows.data,
          std::is_same_v<T, float> ? ElementType::float32 : ElementType::float64,
          rows.rows,
          rows.columns,
          rows.stride * element,
          element};
}

}  // namespace

template <Scalar T>
BaseNMF<T>::BaseNMF(const Communicator& comm, Parameters parameters, Estimator estimator)
    : comm_(comm), parameters_(std::move(parameters)) {
  parameters_.estimator = estimator;
}

template <Scalar T>
std::vector<std::pair<std::string, std::string>> BaseNMF<T>::get_params() const {
  std::vector<std::pair<std::string, std::string>> params;
  for (const std::string& name : parameters_.names()) params.emplace_back(name, parameters_.get(name));
  return params;
}

template <Scalar T>
void BaseNMF<T>::set_params(const std::vector<std::pair<std::string, std::string>>& params) {
  Parameters changed = parameters_;
  for (const auto& [name, text] : params) changed.set(name, text);
  parameters_ = changed;
}

template <Scalar T>
std::unique_ptr<DataSource<T>> BaseNMF<T>::open(const std::string& file, const MemoryLimit& memory) const {
  return open(describe_matrix(comm_, file, class_name(parameters_.estimator)), memory);
}

template <Scalar T>
std::unique_ptr<DataSource<T>> BaseNMF<T>::open(const MatrixDescription& description, const MemoryLimit& memory,
                                                const SampleWeights& weights) const {
  return open_for(MatrixUse::fit, description, memory, weights);
}

template <Scalar T>
std::unique_ptr<DataSource<T>> BaseNMF<T>::open_for(MatrixUse use, const MatrixDescription& description,
                                                    const MemoryLimit& memory, const SampleWeights& weights) const {
  require_a_weight_each(comm_, weights, equal_slice(comm_, description.shape.rows).size());
  const Index k =
      model_ ? model_->n_components : resolve_n_components(parameters_, description.shape.columns, std::nullopt);
  return open_planned<T>(comm_, description, parameters_, k, use, memory, weights).source;
}

template <Scalar T>
Matrix<T> BaseNMF<T>::fit_transform(MatrixView<const T> local_rows, FitOptions<T> options) {
  require_valid_parameters();
  const SampleWeights weights = std::exchange(options.sample_weight, std::nullopt);
  const auto x = source(local_rows, MatrixUse::fit, weights);
  if (!options.checkpoint.file.empty()) {
    if (options.fingerprint.empty()) options.fingerprint = rows_fingerprint(comm_, as_rows(local_rows));
    options.fingerprint += fingerprint_of(comm_, weights);
  }
  if (comm_.max(options.start.W.columns()) > 0)
    options.start.W = owned_from_given(comm_, std::as_const(options.start.W).view(), x->partition());
  return given_from_owned(comm_, fit_transform(*x, std::move(options)), x->partition(), local_rows.rows);
}

template <Scalar T>
Matrix<T> BaseNMF<T>::fit_transform(DataSource<T>& x, FitOptions<T> options) {
  require_valid_parameters();
  if (options.sample_weight) throw UsageError("sample_weight belongs to X: give it where X is opened");
  const Index expected_rows = batch_rows(x.shape().rows) == 0 ? x.shape().rows : batch_rows(x.shape().rows);
  if (x.partition().batch_rows() != expected_rows)
    throw Error(fmt::format(
        "X was opened in batches of {} rows, but {} goes through it in batches of {}: open it with batch_rows = {}",
        x.partition().batch_rows(), class_name(parameters_.estimator), expected_rows, expected_rows));
  std::optional<Factors<T>> start = custom_start(x, std::move(options.start));
  FitJob<T> job(comm_, {x.shape(), options.feature_names, {}, options.fingerprint}, parameters_, job_options(options));
  FittedModel<T> model = job.run(x, std::move(start));
  if (!model.stopped) job.remove_checkpoint();
  if (model.stopped) model.reconstruction_err = std::numeric_limits<double>::quiet_NaN();
  Matrix<T> W = std::move(model.factors.W);
  model.factors.W = Matrix<T>();
  model_ = std::move(model);
  feature_names_ = std::move(options.feature_names);
  seed_ = job.seed();
  return W;
}

template <Scalar T>
Matrix<T> BaseNMF<T>::fit_transform(const std::string& file, FitOptions<T> options) {
  return fit_transform(describe_matrix(comm_, file, class_name(parameters_.estimator)), std::move(options));
}

template <Scalar T>
Matrix<T> BaseNMF<T>::fit_transform(const MatrixDescription& description, FitOptions<T> options) {
  require_valid_parameters();
  if (!options.checkpoint.file.empty() && options.fingerprint.empty())
    options.fingerprint = matrix_fingerprint(comm_, description);
  if (options.feature_names.empty()) options.feature_names = description.feature_names;
  const SampleWeights weights = std::exchange(options.sample_weight, std::nullopt);
  if (!options.checkpoint.file.empty()) options.fingerprint += fingerprint_of(comm_, weights);
  const auto x = open(description, options.memory, weights);
  return fit_transform(*x, std::move(options));
}

template <Scalar T>
Matrix<T> BaseNMF<T>::transform(MatrixView<const T> local_rows, const SampleWeights& sample_weight) const {
  fitted();
  const auto x = source(local_rows, MatrixUse::transform, sample_weight);
  return given_from_owned(comm_, transform(*x), x->partition(), local_rows.rows);
}

template <Scalar T>
Matrix<T> BaseNMF<T>::transform(DataSource<T>& x) const {
  const FittedModel<T>& model = fitted();
  require_valid_parameters();
  return scanmf::transform(x, model.factors.Ht, parameters_, parameters_.random_state.value_or(seed_));
}

template <Scalar T>
Matrix<T> BaseNMF<T>::inverse_transform(MatrixView<const T> w) const {
  const FittedModel<T>& model = fitted();
  if (w.rows > 0 && w.columns != model.n_components)
    throw Error(fmt::format("W has {} columns, but {} has {} components", w.columns, class_name(parameters_.estimator),
                            model.n_components));
  Matrix<T> x(w.rows, model.factors.Ht.rows());
  scanmf::inverse_transform<T>(w, model.factors.Ht, x.view());
  return x;
}

template <Scalar T>
Matrix<T> BaseNMF<T>::components() const {
  const Matrix<T>& Ht = fitted().factors.Ht;
  Matrix<T> H(Ht.columns(), Ht.rows());
  for (Index j = 0; j < Ht.rows(); ++j)
    for (Index c = 0; c < Ht.columns(); ++c) H(c, j) = Ht(j, c);
  return H;
}

template <Scalar T>
const std::vector<std::string>& BaseNMF<T>::feature_names_in() const {
  fitted();
  return feature_names_;
}

template <Scalar T>
std::vector<std::string> BaseNMF<T>::get_feature_names_out() const {
  const char* prefix = parameters_.estimator == Estimator::nmf ? "nmf" : "minibatchnmf";
  std::vector<std::string> names;
  for (Index c = 0; c < n_components(); ++c) names.push_back(prefix + std::to_string(c));
  return names;
}

template <Scalar T>
const FittedModel<T>& BaseNMF<T>::fitted() const {
  if (!model_)
    throw Error(fmt::format(
        "This {} instance is not fitted yet. Call 'fit' with appropriate arguments before using this estimator.",
        class_name(parameters_.estimator)));
  return *model_;
}

template <Scalar T>
Index BaseNMF<T>::batch_rows(Index n_samples) const {
  return parameters_.estimator == Estimator::nmf ? 0 : std::min(parameters_.batch_size, n_samples);
}

template <Scalar T>
std::unique_ptr<DataSource<T>> BaseNMF<T>::source(MatrixView<const T> local_rows, MatrixUse use,
                                                  const SampleWeights& weights) const {
  require_a_weight_each(comm_, weights, local_rows.rows);
  const LoadOptions options = load_options<T>(parameters_, use, comm_.sum(local_rows.rows));
  return observed_as<T>(source_from_rows<T>(comm_, local_rows, options), parameters_, "", use, weights);
}

template <Scalar T>
void BaseNMF<T>::require_valid_parameters() const {
  const std::vector<std::string> mistakes = parameters_.validate();
  if (!mistakes.empty()) throw UsageError(fmt::format("{}", fmt::join(mistakes, "\n")));
}

template <Scalar T>
std::optional<Factors<T>> BaseNMF<T>::custom_start(const DataSource<T>& x, Factors<T> start) const {
  const bool given = comm_.max(std::max(start.W.columns(), start.Ht.columns())) > 0;
  if (parameters_.init != Init::custom) {
    if (given)
      log_warning("When init!='custom', provided W or H are ignored. Set init='custom' to use them as initialization.");
    return std::nullopt;
  }
  if (!given) throw UsageError("init 'custom' needs initial factors: give FitOptions::start");
  const Index k = resolve_n_components(parameters_, x.shape().columns, start.Ht.columns());
  check_factors(x, k, start, "NMF");  // so scikit-learn calls MiniBatchNMF here as well
  return start;
}

template <Scalar T>
void MiniBatchNMF<T>::partial_fit(MatrixView<const T> local_rows, FitOptions<T> options) {
  this->require_valid_parameters();
  const auto x = this->source(local_rows, this->use_of_chunk(), std::exchange(options.sample_weight, std::nullopt));
  Matrix<T>& W = options.start.W;
  if (this->comm_.max(W.columns()) > 0) W = owned_from_given(this->comm_, std::as_const(W).view(), x->partition());
  partial_fit(*x, std::move(options));
}

template <Scalar T>
void MiniBatchNMF<T>::partial_fit(DataSource<T>& x, FitOptions<T> options) {
  this->require_valid_parameters();
  if (options.sample_weight) throw UsageError("sample_weight belongs to X: give it where X is opened");
  if (x.partition().batches() != 1) throw Error("partial_fit takes X in one batch: open it with batch_rows = 0");
  std::optional<FittedModel<T>>& model = this->model_;
  if (!model) {
    this->seed_ = choose_seed(this->comm_, this->parameters_);
    FittedModel<T> first;
    if (std::optional<Factors<T>> start = this->custom_start(x, std::move(options.start))) {
      first.n_components = start->Ht.columns();
      first.factors = std::move(*start);
    } else {
      first = unfitted_model(x, this->parameters_, this->seed_);
    }
    first.factors.W = Matrix<T>();
    first.parameters = this->parameters_;
    scanmf::partial_fit(x, first, options.control);
    model = std::move(first);
    this->feature_names_ = std::move(options.feature_names);
  } else {
    const Index n_features = model->factors.Ht.rows();
    if (x.shape().columns != n_features)
      throw Error(fmt::format("X has {} features, but MiniBatchNMF is expecting {} features as input.",
                              x.shape().columns, n_features));
    model->parameters = this->parameters_;
    scanmf::partial_fit(x, *model, options.control);
  }
  model->n_samples += x.shape().rows;
  model->reconstruction_err = std::numeric_limits<double>::quiet_NaN();
}

template <Scalar T>
void MiniBatchNMF<T>::partial_fit(const std::string& file, FitOptions<T> options) {
  this->require_valid_parameters();
  const MatrixDescription description = describe_matrix(this->comm_, file, class_name(Estimator::minibatch_nmf));
  if (options.feature_names.empty()) options.feature_names = description.feature_names;
  const SampleWeights weights = std::exchange(options.sample_weight, std::nullopt);
  const auto x = this->open_for(this->use_of_chunk(), description, options.memory, weights);
  partial_fit(*x, std::move(options));
}

template class BaseNMF<float>;
template class BaseNMF<double>;
template class NMF<float>;
template class NMF<double>;
template class MiniBatchNMF<float>;
template class MiniBatchNMF<double>;

}  // namespace scanmf
