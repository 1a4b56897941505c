#include <algorithm>
#include <cmath>
#include <numeric>

#include "ensemble/choice.hpp"
#include "ensemble/cross_validation.hpp"
#include "ensemble/ensemble_writer.hpp"
#include "scanmf/core/log.hpp"

namespace scanmf {
namespace {

/// Collective. W with H fixed, as transform solves for it; local rows.
template <Scalar T>
Matrix<T> usages_of(DataSource<T>& x, const Matrix<T>& Ht, const Parameters& parameters, const RunControl& control) {
  Matrix<T> W(x.local_rows(), Ht.columns());
  const Range own = x.partition().piece(0, x.communicator().rank());
  const auto keep = [&](Index first_row, MatrixView<const T> rows) {
    for (Index i = 0; i < rows.rows; ++i) std::copy_n(rows.row(i), rows.columns, W.row(first_row - own.begin + i));
  };
  transform<T>(x, Ht, parameters, Seed(parameters.random_state.value_or(0)), keep, std::nullopt, control);
  return W;
}

/// Collective. Components by falling totals of the rows of W, each normalised to sum 1.
template <Scalar T>
std::vector<Index> order_by_usage(const Communicator& comm, const Matrix<T>& W) {
  std::vector<double> totals(static_cast<std::size_t>(W.columns()), 0);
  for (Index i = 0; i < W.rows(); ++i) {
    const double sum = std::accumulate(W.row(i), W.row(i) + W.columns(), 0.0);
    if (sum > 0)
      for (Index c = 0; c < W.columns(); ++c) totals[static_cast<std::size_t>(c)] += static_cast<double>(W(i, c)) / sum;
  }
  comm.allreduce_sum(std::span(totals));
  std::vector<Index> order(totals.size());
  std::iota(order.begin(), order.end(), Index{0});
  std::ranges::stable_sort(order, [&](Index a, Index b) {
    return totals[static_cast<std::size_t>(a)] > totals[static_cast<std::size_t>(b)];
  });
  return order;
}

template <Scalar T>
void reorder_columns(Matrix<T>& W, std::span<const Index> order) {
  std::vector<T> row(order.size());
  for (Index i = 0; i < W.rows(); ++i) {
    std::copy_n(W.row(i), order.size(), row.begin());
    for (std::size_t c = 0; c < order.size(); ++c)
      W(i, static_cast<Index>(c)) = row[static_cast<std::size_t>(order[c])];
  }
}

}  // namespace

template <Scalar T>
Attributes EnsembleJob<T>::params() const {
  Attributes params = parameter_attributes(parameters_, random_state_);
  params.emplace_back("replicates", options_.replicates);
  params.emplace_back("neighbourhood", options_.neighbourhood);
  params.emplace_back("density_threshold", options_.density_threshold);
  if (options_.select == Selection::bi_cross_validation) params.emplace_back("folds", options_.folds);
  return params;
}

template <Scalar T>
void EnsembleJob<T>::cross_validate(DataSource<T>& x) {
  std::vector<Parameters> parameters;
  for (const Index k : options_.ks) parameters.push_back(parameters_of(k, random_state_, x.shape()));
  RunControl control;
  control.report = control_.report;
  const std::vector<TestError> errors = bi_cross_validation(x, parameters, options_.folds, random_state_, control);
  for (std::size_t i = 0; i < errors.size(); ++i) {
    table_[i].cv_error = errors[i].mean;
    table_[i].cv_error_se = errors[i].standard_error;
  }
}

template <Scalar T>
void EnsembleJob<T>::finish(DataSource<T>& x) {
  std::vector<Consensus<T>> all;
  std::vector<bool> has_consensus;
  table_.clear();
  for (std::size_t i = 0; i < options_.ks.size(); ++i) {
    all.push_back(consensus_of<T>(comm_, *store_, options_, static_cast<Index>(i)));
    has_consensus.push_back(all.back().is_there());
    table_.push_back(all.back().measures);
  }
  if (options_.select == Selection::bi_cross_validation) cross_validate(x);
  chosen_k_ = options_.select == Selection::stability ? choose_by_stability(table_) : choose_by_test_error(table_);
  EnsembleHeader header{chosen_k_, name_of(options_.select), x_,
                        params(),  control_.provenance,      options_.save_replicates};
  add_end(comm_, header.provenance);
  EnsembleWriter<T> writer(comm_, control_.output, *store_, header, has_consensus, table_);
  RunControl control;
  control.report = control_.report;
  for (std::size_t i = 0; i < all.size(); ++i) {
    Consensus<T>& consensus = all[i];
    Matrix<T> W;
    if (consensus.is_there()) {
      W = usages_of(x, consensus.Ht, parameters_of(options_.ks[i], random_state_, x.shape()), control);
      const std::vector<Index> order = order_by_usage(comm_, W);
      reorder_columns<T>(W, order);
      reorder<T>(consensus, order);
      const double half = beta_divergence(x, W, consensus.Ht, 2, control);
      table_[i].error = 2 * half;
      const double divergence =
          parameters_.solver == Solver::cd ? half : beta_divergence(x, W, consensus.Ht, parameters_.beta_loss, control);
      table_[i].reconstruction_err = std::sqrt(std::max(0.0, 2 * divergence));
    }
    writer.write(static_cast<Index>(i), consensus, W, x.partition());
    consensus = {};
  }
  writer.commit(table_);
}

template void EnsembleJob<float>::finish(DataSource<float>&);
template void EnsembleJob<double>::finish(DataSource<double>&);
template Attributes EnsembleJob<float>::params() const;
template Attributes EnsembleJob<double>::params() const;
template void EnsembleJob<float>::cross_validate(DataSource<float>&);
template void EnsembleJob<double>::cross_validate(DataSource<double>&);

}  // namespace scanmf
