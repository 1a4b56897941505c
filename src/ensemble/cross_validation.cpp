#include "ensemble/cross_validation.hpp"

#include <fmt/format.h>

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

template <Scalar T>
std::vector<TestError> bi_cross_validation(DataSource<T>& x, const std::vector<Parameters>& parameters, Index folds,
                                           std::uint32_t random_state, const RunControl& control) {
  const Shape shape = x.shape();
  const Folds drawn = Folds::draw(random_state, shape, folds);
  const FoldSummaries summaries = summarise_folds(x, drawn);
  std::vector<std::vector<double>> means(parameters.size());  // of each block
  std::vector<TestError> result(parameters.size());
  for (Index r = 0; r < folds; ++r) {
    for (Index c = 0; c < folds; ++c) {
      log_information(fmt::format("bi-cross-validation: block {} of {}", r * folds + c + 1, folds * folds));
      HeldOut<T> block(x, drawn, summaries, r, c);
      if (block.elements() == 0)
        throw AgreedError("bi-cross-validation: nothing of a block that is held out is observed: take fewer --folds");
      const std::vector<double> errors = block.errors(parameters, random_state, control);
      for (std::size_t i = 0; i < errors.size(); ++i) {
        result[i].mean += errors[i] / static_cast<double>(observed_elements(x));
        means[i].push_back(errors[i] / static_cast<double>(block.elements()));
      }
    }
  }
  for (std::size_t i = 0; i < means.size(); ++i) result[i].standard_error = standard_error(means[i]);
  return result;
}

template <Scalar T>
std::vector<TestError> speckled_cross_validation(DataSource<T>& x, const std::vector<Parameters>& parameters,
                                                 double holdout, Index repeats, std::uint32_t random_state,
                                                 const RunControl& control) {
  std::vector<std::vector<double>> means(parameters.size());  // of each repeat
  for (Index repeat = 0; repeat < repeats; ++repeat) {
    log_information(fmt::format("speckled cross-validation: repeat {} of {}", repeat + 1, repeats));
    const Speckle speckle(holdout, random_state, repeat);
    const std::unique_ptr<DataSource<T>> rest = without_held_out(x, speckle);
    const std::vector<FittedModel<T>> models = fitted(*rest, parameters, random_state, control);
    const HeldOutLoss loss = held_out_loss<T>(x, speckle, models);
    if (loss.entries == 0)
      throw AgreedError("no observed entry of X is held out: take a larger --holdout, or --select stability");
    for (std::size_t i = 0; i < means.size(); ++i) means[i].push_back(loss.sums[i] / static_cast<double>(loss.entries));
  }
  std::vector<TestError> result;
  for (const std::vector<double>& one : means)
    result.push_back(
        {std::accumulate(one.begin(), one.end(), 0.0) / static_cast<double>(repeats), standard_error(one)});
  return result;
}

template void require_cross_validation(const DataSource<float>&, const EnsembleOptions&);
template void require_cross_validation(const DataSource<double>&, const EnsembleOptions&);
template std::vector<TestError> bi_cross_validation(DataSource<float>&, const std::vector<Parameters>&, Index,
                                                    std::uint32_t, const RunControl&);
template std::vector<TestError> bi_cross_validation(DataSource<double>&, const std::vector<Parameters>&, Index,
                                                    std::uint32_t, const RunControl&);
template std::vector<TestError> speckled_cross_validation(DataSource<float>&, const std::vector<Parameters>&, double,
                                                          Index, std::uint32_t, const RunControl&);
template std::vector<TestError> speckled_cross_validation(DataSource<double>&, const std::vector<Parameters>&, double,
                                                          Index, std::uint32_t, const RunControl&);

}  // namespace scanmf
