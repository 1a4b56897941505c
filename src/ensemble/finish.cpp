#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/at.hpp"
#include "ensemble/choice.hpp"
#include "ensemble/cross_validation.hpp"
#include "ensemble/ensemble_writer.hpp"
#include "ensemble/local_rows.hpp"
#include "ensemble/options.hpp"
#include "ensemble/part_store.hpp"
#include "ensemble/stop_rule.hpp"
#include "parallel/groups.hpp"
#include "scanmf/core/error.hpp"
#include "scanmf/core/log.hpp"
#include "scanmf/parallel/ordered_sum.hpp"
#include "scanmf/solver/loss.hpp"

namespace scanmf {
namespace {

/// Collective. W with H fixed, as transform solves for it; local rows.
template <Scalar T>
Matrix<T> usages_of(DataSource<T>& x, const Matrix<T>& Ht, const Parameters& parameters, const RunControl& control) {
  Matrix<T> W(x.local_rows(), Ht.columns());
  const auto keep = [&](Index first_row, MatrixView<const T> rows) {
    const Index first = local_row(x.partition(), x.communicator().rank(), first_row);
    for (Index i = 0; i < rows.rows; ++i) std::copy_n(rows.row(i), rows.columns, W.row(first + i));
  };
  transform<T>(x, Ht, parameters, Seed(parameters.random_state.value_or(0)), keep, std::nullopt, control);
  return W;
}

/// Collective. Components by falling totals of the rows of W, each normalised to sum 1.
template <Scalar T>
std::vector<Index> order_by_usage(const Communicator& comm, const Matrix<T>& W) {
  std::vector<ExactSum> sums(static_cast<std::size_t>(W.columns()));
  for (Index i = 0; i < W.rows(); ++i) {
    const double sum = std::accumulate(W.row(i), W.row(i) + W.columns(), 0.0);
    if (sum > 0)
      for (Index c = 0; c < W.columns(); ++c) sums[static_cast<std::size_t>(c)].add(static_cast<double>(W(i, c)) / sum);
  }
  const std::vector<double> totals = exact_sums(comm, sums);
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

/// Collective. What the group numbered `owner` has found of one k, on all ranks.
template <Scalar T>
void share_consensus(const Communicator& comm, const RankGroups& groups, int owner, Consensus<T>& consensus,
                     MeasuresOfK& measures) {
  if (groups.count() == 1 || !consensus.is_there()) return;
  const int root = groups.root_of(owner);
  comm.broadcast(std::span(consensus.labels), root);
  comm.broadcast(std::span(consensus.cluster_stability), root);
  comm.broadcast(consensus.Ht.span(), root);
  double errors[] = {measures.error, measures.reconstruction_err};
  comm.broadcast(std::span<double>(errors), root);
  measures.error = errors[0];
  measures.reconstruction_err = errors[1];
}

void throw_if_asked(EnsembleStop& stop) {
  if (stop.is_asked()) throw AgreedError("stopped before the consensus was written", ExitStatus::stopped);
}

}  // namespace

template <Scalar T>
Attributes EnsembleJob<T>::params() const {
  Attributes params = parameter_attributes(parameters_, random_state_);
  for (auto& option : attributes_of(options_)) params.push_back(std::move(option));
  return params;
}

/// Collective over the group. Finds what is not known of the test errors of `own` numbers of components, as many of
/// which share the passes as fit into memory, the largest first. Ends where others have failed.
template <Scalar T>
void EnsembleJob<T>::test(DataSource<T>& x, std::span<const Index> own, std::span<const Index> most, PartStore& parts,
                          SharedCounter& failed, const RunControl& control) {
  std::unique_ptr<CrossValidation<T>> validation;
  for (std::size_t end = own.size(); end > 0;) {
    const std::size_t begin = end - std::min(end, at(most[at(own[end - 1])]));
    for (Index part = 0; part < parts.parts(); ++part) {
      std::vector<Index> left;
      std::vector<Parameters> parameters;
      for (const Index i : own.subspan(begin, end - begin)) {
        if (parts.is_known(i, part)) continue;
        left.push_back(i);
        parameters.push_back(parameters_of(options_.ks[at(i)], random_state_, x.shape()));
      }
      if (left.empty()) continue;
      Index others = group().is_root() ? failed.add(0) : 0;
      group().broadcast(std::span<Index>(&others, 1));
      if (others > 0) return;
      testing_ = static_cast<Index>(left.size());
      if (!validation) validation = open_cross_validation(x, options_, random_state_, control);
      const std::vector<PartError> errors = validation->errors(part, parameters);
      group().agree([&] {
        for (std::size_t i = 0; i < left.size() && group().is_root(); ++i) parts.put(left[i], part, errors[i]);
      });
      for (std::size_t i = 0; i < left.size(); ++i) parts.mark(left[i], part, errors[i]);
      tested_ += testing_;
    }
    end = begin;
  }
}

template <Scalar T>
void EnsembleJob<T>::cross_validate(DataSource<T>& x, const RunControl& control) {
  std::vector<Index> own;  // of the group
  for (Index i = groups_->number(); i < static_cast<Index>(options_.ks.size()); i += groups_->count()) own.push_back(i);
  std::vector<Index> most = fits_beside(x);
  if (store_->most_together() > 0)
    for (Index& fits : most) fits = std::min(fits, store_->most_together());
  PartStore parts(comm_, *store_, options_);
  SharedCounter failed(comm_);
  comm_.agree([&] {  // one group may fail alone
    try {
      test(x, own, most, parts, failed, control);
    } catch (...) {
      failed.add(1);
      throw;
    }
  });
  std::vector<double> found(2 * options_.ks.size(), 0);
  for (const Index i : group().is_root() ? own : std::vector<Index>{}) {
    const TestError error = test_error(options_.select, parts.of(i));
    found[at(2 * i)] = error.mean;
    found[at(2 * i + 1)] = error.standard_error;
  }
  comm_.allreduce_sum(std::span(found));
  if (options_.select == Selection::speckled && options_.select_repeats == 1)
    log_warning(
        "one repeat has no standard error: the k of the least test error is chosen (option '--select-repeats')");
  for (std::size_t i = 0; i < table_.size(); ++i) {
    table_[i].cv_error = found[2 * i];
    table_[i].cv_error_se = found[2 * i + 1];
  }
}

template <Scalar T>
Matrix<T> EnsembleJob<T>::complete(DataSource<T>& x, Index k_number, Consensus<T>& consensus,
                                   const RunControl& control) {
  MeasuresOfK& measures = table_[static_cast<std::size_t>(k_number)];
  const Index k = options_.ks[static_cast<std::size_t>(k_number)];
  Matrix<T> W = usages_of(x, consensus.Ht, parameters_of(k, random_state_, x.shape()), control);
  const std::vector<Index> order = order_by_usage(group(), W);
  reorder_columns<T>(W, order);
  reorder<T>(consensus, order);
  const double half = beta_divergence(x, W, consensus.Ht, 2, control);
  measures.error = 2 * half;
  const double divergence = !loss_of(parameters_.beta_loss).weights
                                ? half
                                : beta_divergence(x, W, consensus.Ht, parameters_.beta_loss, control);
  measures.reconstruction_err = std::sqrt(std::max(0.0, 2 * divergence));
  return W;
}

template <Scalar T>
bool EnsembleJob<T>::finish(DataSource<T>& x) {
  EnsembleStop stop(group(), control_, store_->checkpoint_file());
  RunControl control;
  control.report = control_.report;
  control.stop_requested = [&stop] { return stop.is_asked(); };
  control.on_progress = [&stop](const Progress& now) { stop.iteration_done(now.seconds); };
  std::vector<Consensus<T>> all;
  table_.clear();
  testing_ = tested_ = 0;
  try {
    for (std::size_t i = 0; i < options_.ks.size(); ++i) {
      all.push_back(consensus_of<T>(comm_, *store_, options_, static_cast<Index>(i)));
      table_.push_back(all.back().measures);
      comm_.agree([&] { throw_if_asked(stop); });
    }
    if (options_.select != Selection::stability) cross_validate(x, control);
    write(x, all, control);
  } catch (const AgreedError& error) {
    if (error.status() != ExitStatus::stopped) throw;
    stop_reason_ = stop.reason();
    note_stop(stop);
    if (had_all_ && comm_.sum(tested_) == 0) {
      const Index together = comm_.max(testing_);
      tell_of_no_progress("test error", together, std::max<Index>(1, together / 2));
    }
    return false;
  }
  return true;
}

/// Collective. The choice, and the file.
template <Scalar T>
void EnsembleJob<T>::write(DataSource<T>& x, std::vector<Consensus<T>>& all, const RunControl& control) {
  std::vector<MeasuresOfK> eligible;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (all[i].is_there()) eligible.push_back(table_[i]);
  chosen_k_ = options_.select == Selection::stability ? choose_by_stability(eligible) : choose_by_test_error(eligible);
  EnsembleHeader header{chosen_k_,
                        name_of(options_.select),
                        x_,
                        params(),
                        control_.provenance,
                        options_.save_replicates,
                        parameters_.estimator};
  add_end(comm_, header.provenance);
  EnsembleWriter<T> writer(comm_, control_.output, *store_, header, all, table_);
  // Each group solves for the W of its share of the k, all of them are written together.
  for (std::size_t first = 0; first < all.size(); first += static_cast<std::size_t>(groups_->count())) {
    const std::size_t end = std::min(all.size(), first + static_cast<std::size_t>(groups_->count()));
    Matrix<T> W;
    comm_.agree([&] {
      const std::size_t own = first + static_cast<std::size_t>(groups_->number());
      if (own < end && all[own].is_there()) W = complete(x, static_cast<Index>(own), all[own], control);
    });
    for (std::size_t i = first; i < end; ++i) {
      const bool is_own = static_cast<std::size_t>(groups_->number()) == i - first;
      share_consensus(comm_, *groups_, static_cast<int>(i - first), all[i], table_[i]);
      writer.write(static_cast<Index>(i), all[i], W, is_own ? &x.partition() : nullptr, group().rank());
      all[i] = {};
    }
  }
  writer.commit(table_);
}

template bool EnsembleJob<float>::finish(DataSource<float>&);
template bool EnsembleJob<double>::finish(DataSource<double>&);
template Attributes EnsembleJob<float>::params() const;
template Attributes EnsembleJob<double>::params() const;
template Matrix<float> EnsembleJob<float>::complete(DataSource<float>&, Index, Consensus<float>&, const RunControl&);
template Matrix<double> EnsembleJob<double>::complete(DataSource<double>&, Index, Consensus<double>&,
                                                      const RunControl&);
template void EnsembleJob<float>::test(DataSource<float>&, std::span<const Index>, std::span<const Index>, PartStore&,
                                       SharedCounter&, const RunControl&);
template void EnsembleJob<float>::cross_validate(DataSource<float>&, const RunControl&);
template void EnsembleJob<double>::test(DataSource<double>&, std::span<const Index>, std::span<const Index>, PartStore&,
                                        SharedCounter&, const RunControl&);
template void EnsembleJob<double>::cross_validate(DataSource<double>&, const RunControl&);
template void EnsembleJob<float>::write(DataSource<float>&, std::vector<Consensus<float>>&, const RunControl&);
template void EnsembleJob<double>::write(DataSource<double>&, std::vector<Consensus<double>>&, const RunControl&);

}  // namespace scanmf
