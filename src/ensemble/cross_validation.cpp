#include "ensemble/cross_validation.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <numeric>

#include "ensemble/fixed_w.hpp"
#include "ensemble/speckle.hpp"
#include "ensemble/subset_source.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/log.hpp"

namespace scanmf {
namespace {

template <Scalar T>
Index observed_elements(const DataSource<T>& x) {
  return x.shape().rows * x.shape().columns - x.summary().missing;
}

/// Models with these parameters from random starts. Throws when it is asked to stop.
template <Scalar T>
std::vector<FittedModel<T>> fitted(DataSource<T>& x, const std::vector<Parameters>& parameters,
                                   std::uint32_t random_state, const RunControl& control) {
  std::vector<FitTask<T>> tasks;
  for (const Parameters& one : parameters) {
    FitTask<T> task{one, random_state, {}};
    task.initial = std::move(unfitted_model(x, one, task.seed).factors);
    tasks.push_back(std::move(task));
  }
  std::vector<FittedModel<T>> models = fit_together(x, std::move(tasks), FitControl<T>(control));
  for (const FittedModel<T>& model : models)
    if (model.stopped) throw AgreedError("stopped during the cross-validation", ExitStatus::stopped);
  return models;
}

/// Of the mean of these numbers; 0 of a single one.
double standard_error(const std::vector<double>& numbers) {
  const auto count = static_cast<double>(numbers.size());
  if (numbers.size() < 2) return 0;
  const double mean = std::accumulate(numbers.begin(), numbers.end(), 0.0) / count;
  double squares = 0;
  for (const double one : numbers) squares += (one - mean) * (one - mean);
  return std::sqrt(squares / (count - 1) / count);
}

/// One block that is held out, and the other three.
template <Scalar T>
class HeldOut {
 public:
  HeldOut(DataSource<T>& x, const Folds& folds, const FoldSummaries& summaries, Index row_fold, Index column_fold)
      : A_(subset_of(x, folds, summaries, {row_fold, true, column_fold, true})),
        B_(subset_of(x, folds, summaries, {row_fold, true, column_fold, false})),
        C_(subset_of(x, folds, summaries, {row_fold, false, column_fold, true})),
        D_(subset_of(x, folds, summaries, {row_fold, false, column_fold, false})) {}

  Index elements() const { return observed_elements(*A_); }

  /// Squared error of A for each of the parameters.
  std::vector<double> errors(const std::vector<Parameters>& parameters, std::uint32_t random_state,
                             const RunControl& control) {
    std::vector<FittedModel<T>> models = fitted(*D_, parameters, random_state, control);
    std::vector<Matrix<T>> W_of_A;
    for (const FittedModel<T>& model : models)
      W_of_A.push_back(transform(*B_, model.factors.Ht, model.parameters, Seed(random_state), control));
    solve_for_H(*C_, models, control);  // H of A's columns; W is that of D
    std::vector<double> errors;
    for (std::size_t i = 0; i < models.size(); ++i)
      errors.push_back(2 * beta_divergence(*A_, W_of_A[i], models[i].factors.Ht, 2, control));
    return errors;
  }

 private:
  std::unique_ptr<DataSource<T>> A_, B_, C_, D_;
};

/// ", k = 4, 5": what is told of a part that is begun.
std::string text_of_ks(const std::vector<Parameters>& parameters) {
  std::vector<Index> ks;
  for (const Parameters& one : parameters) ks.push_back(one.n_components.value());
  return fmt::format(", k = {}", fmt::join(ks, ", "));
}

template <Scalar T>
class BiCrossValidation final : public CrossValidation<T> {
 public:
  BiCrossValidation(DataSource<T>& x, Index folds, std::uint32_t random_state, const RunControl& control)
      : x_(x),
        folds_(Folds::draw(random_state, x.shape(), folds)),
        summaries_(summarise_folds(x, folds_)),
        random_state_(random_state),
        control_(control) {}

  std::vector<PartError> errors(Index part, const std::vector<Parameters>& parameters) override {
    const Index folds = folds_.count;
    log_information(
        fmt::format("bi-cross-validation: block {} of {}{}", part + 1, folds * folds, text_of_ks(parameters)));
    HeldOut<T> block(x_, folds_, summaries_, part / folds, part % folds);
    if (block.elements() == 0)
      throw AgreedError("bi-cross-validation: nothing of a block that is held out is observed: take fewer --folds");
    std::vector<PartError> result;
    for (const double sum : block.errors(parameters, random_state_, control_))
      result.push_back({sum, block.elements()});
    return result;
  }

 private:
  DataSource<T>& x_;
  Folds folds_;
  FoldSummaries summaries_;
  std::uint32_t random_state_;
  const RunControl& control_;
};

template <Scalar T>
class SpeckledCrossValidation final : public CrossValidation<T> {
 public:
  SpeckledCrossValidation(DataSource<T>& x, const EnsembleOptions& options, std::uint32_t random_state,
                          const RunControl& control)
      : x_(x),
        holdout_(options.holdout),
        repeats_(options.select_repeats),
        random_state_(random_state),
        control_(control) {}

  std::vector<PartError> errors(Index part, const std::vector<Parameters>& parameters) override {
    log_information(
        fmt::format("speckled cross-validation: repeat {} of {}{}", part + 1, repeats_, text_of_ks(parameters)));
    const Speckle speckle(holdout_, random_state_, part);
    const std::unique_ptr<DataSource<T>> rest = without_held_out(x_, speckle);
    const std::vector<FittedModel<T>> models = fitted(*rest, parameters, random_state_, control_);
    const HeldOutLoss loss = held_out_loss<T>(x_, speckle, models);
    if (loss.entries == 0)
      throw AgreedError("no observed entry of X is held out: take a larger --holdout, or --select stability");
    std::vector<PartError> result;
    for (const double sum : loss.sums) result.push_back({sum, loss.entries});
    return result;
  }

 private:
  DataSource<T>& x_;
  double holdout_;
  Index repeats_;
  std::uint32_t random_state_;
  const RunControl& control_;
};

}  // namespace

template <Scalar T>
void require_cross_validation(const DataSource<T>& x, const EnsembleOptions& options) {
  if (options.select == Selection::stability) return;
  const Shape shape = x.shape();
  if (x.observation() != nullptr && x.observation()->weighted)
    throw AgreedError(
        "a cross-validation knows no weights of rows (option '--sample-weight'): take --select stability");
  const Index most = std::min<Index>(100, std::min(shape.rows, shape.columns));
  if (options.select == Selection::bi_cross_validation && (options.folds < 2 || options.folds > most))
    throw AgreedError(fmt::format("bi-cross-validation of {} x {} data needs from 2 to {} folds (option '--folds')",
                                  shape.rows, shape.columns, most));
}

Index parts_held_out(const EnsembleOptions& options) {
  return options.select == Selection::speckled ? options.select_repeats : options.folds * options.folds;
}

template <Scalar T>
std::unique_ptr<CrossValidation<T>> open_cross_validation(DataSource<T>& x, const EnsembleOptions& options,
                                                          std::uint32_t random_state, const RunControl& control) {
  if (options.select == Selection::speckled)
    return std::make_unique<SpeckledCrossValidation<T>>(x, options, random_state, control);
  return std::make_unique<BiCrossValidation<T>>(x, options.folds, random_state, control);
}

TestError test_error(Selection selection, std::span<const PartError> parts) {
  std::vector<double> means;
  Index elements = 0;
  for (const PartError& part : parts) {
    means.push_back(part.sum / static_cast<double>(part.elements));
    elements += part.elements;
  }
  TestError result{0, standard_error(means)};
  if (selection == Selection::speckled) {  // repeats hold out other entries of the same X
    result.mean = std::accumulate(means.begin(), means.end(), 0.0) / static_cast<double>(means.size());
  } else {  // blocks are all of X
    for (const PartError& part : parts) result.mean += part.sum / static_cast<double>(elements);
  }
  return result;
}

template void require_cross_validation(const DataSource<float>&, const EnsembleOptions&);
template void require_cross_validation(const DataSource<double>&, const EnsembleOptions&);
template std::unique_ptr<CrossValidation<float>> open_cross_validation(DataSource<float>&, const EnsembleOptions&,
                                                                       std::uint32_t, const RunControl&);
template std::unique_ptr<CrossValidation<double>> open_cross_validation(DataSource<double>&, const EnsembleOptions&,
                                                                        std::uint32_t, const RunControl&);

}  // namespace scanmf
