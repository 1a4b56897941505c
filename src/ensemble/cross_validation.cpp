#include "ensemble/cross_validation.hpp"

#include <fmt/format.h>

#include <cmath>
#include <numeric>

#include "ensemble/fixed_w.hpp"
#include "ensemble/subset_source.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/log.hpp"

namespace scanmf {
namespace {

/// One block that is held out, and the other three.
template <Scalar T>
class HeldOut {
 public:
  HeldOut(DataSource<T>& x, const Folds& folds, const FoldSummaries& summaries, Index row_fold, Index column_fold)
      : A_(x, folds, summaries, {row_fold, true, column_fold, true}),
        B_(x, folds, summaries, {row_fold, true, column_fold, false}),
        C_(x, folds, summaries, {row_fold, false, column_fold, true}),
        D_(x, folds, summaries, {row_fold, false, column_fold, false}) {}

  Index elements() const { return A_.shape().rows * A_.shape().columns; }

  /// Squared error of A for each of the parameters.
  std::vector<double> errors(const std::vector<Parameters>& parameters, std::uint32_t random_state,
                             const RunControl& control) {
    std::vector<FitTask<T>> tasks;
    for (const Parameters& one : parameters) {
      FitTask<T> task{one, random_state, {}};
      task.initial = std::move(unfitted_model(D_, one, task.seed).factors);
      tasks.push_back(std::move(task));
    }
    std::vector<FittedModel<T>> models = fit_together(D_, std::move(tasks), FitControl<T>(control));
    std::vector<Matrix<T>> W_of_A;
    for (const FittedModel<T>& model : models) {
      if (model.stopped) throw AgreedError("stopped during the bi-cross-validation", ExitStatus::stopped);
      W_of_A.push_back(transform(B_, model.factors.Ht, model.parameters, Seed(random_state), control));
    }
    solve_for_H(C_, models, control);  // H of A's columns; W is that of D
    std::vector<double> errors;
    for (std::size_t i = 0; i < models.size(); ++i)
      errors.push_back(2 * beta_divergence(A_, W_of_A[i], models[i].factors.Ht, 2, control));
    return errors;
  }

 private:
  SubsetSource<T> A_, B_, C_, D_;
};

}  // namespace

template <Scalar T>
std::vector<TestError> bi_cross_validation(DataSource<T>& x, const std::vector<Parameters>& parameters, Index folds,
                                           std::uint32_t random_state, const RunControl& control) {
  const Shape shape = x.shape();
  if (folds < 2 || folds > 100 || folds > std::min(shape.rows, shape.columns))
    throw AgreedError(fmt::format("bi-cross-validation of {} x {} data needs from 2 to {} folds (option '--folds')",
                                  shape.rows, shape.columns,
                                  std::min<Index>(100, std::min(shape.rows, shape.columns))));
  const Folds drawn = Folds::draw(random_state, shape, folds);
  const FoldSummaries summaries = summarise_folds(x, drawn);
  std::vector<std::vector<double>> means(parameters.size());  // of each block
  std::vector<TestError> result(parameters.size());
  for (Index r = 0; r < folds; ++r) {
    for (Index c = 0; c < folds; ++c) {
      log_information(fmt::format("bi-cross-validation: block {} of {}", r * folds + c + 1, folds * folds));
      HeldOut<T> block(x, drawn, summaries, r, c);
      const std::vector<double> errors = block.errors(parameters, random_state, control);
      for (std::size_t i = 0; i < errors.size(); ++i) {
        result[i].mean += errors[i] / (static_cast<double>(shape.rows) * static_cast<double>(shape.columns));
        means[i].push_back(errors[i] / static_cast<double>(block.elements()));
      }
    }
  }
  for (std::size_t i = 0; i < means.size(); ++i) {
    const auto count = static_cast<double>(means[i].size());
    const double mean = std::accumulate(means[i].begin(), means[i].end(), 0.0) / count;
    double squares = 0;
    for (const double one : means[i]) squares += (one - mean) * (one - mean);
    result[i].standard_error = std::sqrt(squares / (count - 1) / count);
  }
  return result;
}

template std::vector<TestError> bi_cross_validation(DataSource<float>&, const std::vector<Parameters>&, Index,
                                                    std::uint32_t, const RunControl&);
template std::vector<TestError> bi_cross_validation(DataSource<double>&, const std::vector<Parameters>&, Index,
                                                    std::uint32_t, const RunControl&);

}  // namespace scanmf
