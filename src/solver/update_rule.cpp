#include "scanmf/solver/update_rule.hpp"

#include <omp.h>

#include <algorithm>
#include <exception>

#include "scanmf/linalg/tile_loop.hpp"

namespace scanmf {

Penalties penalties_of(double alpha_W, double alpha_H, double l1_ratio, Index n_features, Index n_samples) {
  const auto n = static_cast<double>(n_features);
  const auto m = static_cast<double>(n_samples);
  return {n * alpha_W * l1_ratio, n * alpha_W * (1 - l1_ratio), m * alpha_H * l1_ratio, m * alpha_H * (1 - l1_ratio)};
}

template <Scalar T>
UpdateRule<T>::UpdateRule(StorageKind kind, Index columns, Index n_components, double beta)
    : kind_(kind),
      columns_(columns),
      k_(n_components),
      beta_(beta),
      h_(kind, columns, n_components, beta != 1 && beta != 2),
      h_sums_(2 + static_cast<std::size_t>(beta == 2   ? k_ * k_
                                           : beta == 1 ? k_
                                                       : 0)),
      small_(static_cast<std::size_t>(PassSum::count) + h_sums_.size() - 2),
      threads_(static_cast<std::size_t>(omp_get_max_threads())) {}

template <Scalar T>
std::vector<double> UpdateRule<T>::sums_over_H(MatrixView<const T> ht_rows) {
  const auto threads = static_cast<Index>(threads_.size());
  std::exception_ptr failure;
#pragma omp parallel
  try {
    const Index thread = omp_get_thread_num();
    ThreadState& state = threads_[static_cast<std::size_t>(thread)];
    const MatrixView<const T> rows = ht_rows.middle_rows({ht_rows.rows * thread / threads, ht_rows.rows * (thread + 1) / threads});
    state.small.assign(h_sums_.size(), 0.0);
    const NormAndSum norms = norm_and_sum<T>(rows);
    state.small[0] = norms.norm_squared;
    state.small[1] = norms.sum;
    if (beta_ == 2) add_gram<T>(rows, state.small.data() + 2, state.work);
    if (beta_ == 1) add_column_sums<T>(rows, state.small.data() + 2);
  } catch (...) {
#pragma omp critical
    failure = std::current_exception();
  }
  if (failure) std::rethrow_exception(failure);
  std::vector<double> sums(h_sums_.size(), 0.0);
  for (const ThreadState& state : threads_)
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += state.small[i];
  return sums;
}

template <Scalar T>
void UpdateRule<T>::set_H(const Matrix<T>& Ht, std::span<const double> sums) {
  h_.assign(Ht.view());
  std::ranges::copy(sums, h_sums_.begin());
  projections_known_ = false;
  prepare();
}

template <Scalar T>
void UpdateRule<T>::keep_projections(Index local_rows) {
  if (kept_projections_.rows() != local_rows || kept_projections_.columns() == 0) kept_projections_ = Matrix<T>(local_rows, k_);
  projections_known_ = false;
}

template <Scalar T>
void UpdateRule<T>::begin_pass(const PassOptions& options) {
  options_ = options;
  solving_ = false;
  const bool with_denominator = options.accumulate && has_denominator();
  std::exception_ptr failure;  // memory may run out in any thread
#pragma omp parallel
  try {
    ThreadState& state = threads_[static_cast<std::size_t>(omp_get_thread_num())];
    if (options.accumulate && state.numerator.columns() == 0) state.numerator = Accumulator<T>(kind_, columns_, k_);
    if (with_denominator && state.denominator.columns() == 0) state.denominator = Accumulator<T>(StorageKind::dense, columns_, k_);
    if (options.accumulate) state.numerator.set_zero();
    if (with_denominator) state.denominator.set_zero();
    state.small.assign(small_.size(), 0.0);
  } catch (...) {
#pragma omp critical
    failure = std::current_exception();
  }
  if (failure) std::rethrow_exception(failure);
}

template <Scalar T>
template <class Tile>
void UpdateRule<T>::visit_tile(const Tile& x, MatrixView<T> w, Index local_row, const PassOptions& options, ThreadState& state) {
  const Index elements = w.rows * k_;
  if (options.update_W) {
    T* old = nullptr;
    if (options.change) {
      old = state.rows.reserve(3 * elements) + 2 * elements;
      for (Index i = 0; i < w.rows; ++i) std::copy_n(w.row(i), k_, old + i * k_);
    }
    update_rows(x, w, local_row, state);
    if (options.change) {
      double change = 0;
      for (Index i = 0; i < w.rows; ++i) {
        for (Index c = 0; c < k_; ++c) {
          const double difference = static_cast<double>(w(i, c)) - static_cast<double>(old[i * k_ + c]);
          change += difference * difference;
        }
      }
      sum_in(state.small, PassSum::change_squared) += change;
    }
  }
  if (options.change || options.divergence) {
    double squares = 0;
    double sum = 0;
    for (Index i = 0; i < w.rows; ++i) {
      for (Index c = 0; c < k_; ++c) {
        const auto value = static_cast<double>(w(i, c));
        squares += value * value;
        sum += value;
      }
    }
    sum_in(state.small, PassSum::norm_squared) += squares;
    sum_in(state.small, PassSum::w_sum) += sum;
  }
  double* const gram = state.small.data() + static_cast<std::size_t>(PassSum::count);
  if (options.accumulate || options.divergence) {
    if (beta_ == 2) add_gram<T>(w, gram, state.work);
    if (beta_ == 1) add_column_sums<T>(w, gram);
  }
  if (options.divergence) sum_in(state.small, PassSum::divergence) += tile_divergence(x, w, options, state);
  if (!options.accumulate) return;
  if (beta_ == 2) {
    accumulate<T>(x, w, state.numerator, state.work);
  } else {
    accumulate_weighted<T>(x, w, h_, beta_, state.numerator, state.denominator, state.work);
  }
}

template <Scalar T>
template <class Tile>
double UpdateRule<T>::tile_divergence(const Tile& x, MatrixView<T> w, const PassOptions& options, ThreadState& state) {
  if (options.update_W && beta_ == 2)
    if (const auto divergence = divergence_by_projection<T>(x, w, state.p, h_gram().data(), state.work)) return *divergence;
  return divergence_sum<T>(x, w, h_, beta_, state.work);
}

template <Scalar T>
void UpdateRule<T>::visit(const Block<T>& block, MatrixView<T> w) {
  for_each_tile(block, [&](int thread, Index row, const auto& tile) {
    visit_tile(tile, w.middle_rows({row, row + tile.rows}), block.local_row + row, options_, threads_[static_cast<std::size_t>(thread)]);
  });
}

template <Scalar T>
void UpdateRule<T>::visit_without_X(Index local_row, Index first_tile, Index tile_rows, MatrixView<T> w) {
  const Index tiles = (w.rows + tile_rows - 1) / tile_rows;
  for_each_tile_number(first_tile, tiles, [&](int thread, Index t) {
    const Range rows{t * tile_rows, std::min(w.rows, (t + 1) * tile_rows)};
    const DenseTile<T> unread{rows.size(), columns_, nullptr};
    visit_tile(unread, w.middle_rows(rows), local_row + rows.begin, options_, threads_[static_cast<std::size_t>(thread)]);
  });
}

template <Scalar T>
void UpdateRule<T>::end_pass() {
  std::fill(small_.begin(), small_.end(), 0.0);
  for (const ThreadState& state : threads_)
    for (std::size_t i = 0; i < small_.size(); ++i) small_[i] += state.small[i];
  projections_known_ = projections_known_ || options_.update_W;
  if (!options_.accumulate) return;
  if (numerator_.columns() == 0) numerator_ = Matrix<T>(columns_, k_);
  if (has_denominator() && denominator_.columns() == 0) denominator_ = Matrix<T>(columns_, k_);
  std::vector<Accumulator<T>> parts;
  const auto sum_of = [&](Accumulator<T> ThreadState::*member, MatrixView<T> total) {
    for (ThreadState& state : threads_) parts.push_back(std::move(state.*member));
    sum_accumulators(parts, total);
    for (std::size_t t = 0; t < threads_.size(); ++t) threads_[t].*member = std::move(parts[t]);
    parts.clear();
  };
  sum_of(&ThreadState::numerator, numerator_.view());
  if (has_denominator()) sum_of(&ThreadState::denominator, denominator_.view());
}

template <Scalar T>
void UpdateRule<T>::begin_solve(const SolveOptions& options) {
  solve_ = options;
  solving_ = true;
  options_ = {.rows = options.rows, .update_W = true, .accumulate = false};
  for (ThreadState& state : threads_) {
    state.updates.clear();
    state.evaluations.clear();
  }
}

template <Scalar T>
void UpdateRule<T>::solve(const Block<T>& block, MatrixView<T> w, Index updates) {
  for_each_tile(block, [&](int thread, Index row, const auto& tile) {
    solve_tile(tile, w.middle_rows({row, row + tile.rows}), updates, threads_[static_cast<std::size_t>(thread)]);
  });
}

template <Scalar T>
template <class Tile>
void UpdateRule<T>::solve_tile(const Tile& x, MatrixView<T> w, Index updates, ThreadState& state) {
  const PassOptions updating{.update_W = true, .accumulate = false, .change = solve_.change};
  const PassOptions evaluating{.update_W = false, .accumulate = false, .divergence = true};
  // The sums go on where the tile before has left them, as they do in a pass.
  const auto visit_with = [&](std::vector<std::vector<double>>& sums, Index number, const PassOptions& options) {
    const auto at = static_cast<std::size_t>(number);
    if (sums.size() <= at) sums.resize(at + 1, std::vector<double>(options.update_W ? static_cast<std::size_t>(PassSum::count) : small_.size(), 0.0));
    std::swap(state.small, sums[at]);
    visit_tile(x, w, 0, options, state);
    std::swap(state.small, sums[at]);
  };
  state.projected = false;
  if (solve_.evaluate_every > 0) visit_with(state.evaluations, 0, evaluating);
  for (state.update = 1; state.update <= updates; ++state.update) {
    visit_with(state.updates, state.update - 1, updating);
    if (solve_.evaluate_every > 0 && state.update % solve_.evaluate_every == 0)
      visit_with(state.evaluations, state.update / solve_.evaluate_every, evaluating);
  }
}

template <Scalar T>
void UpdateRule<T>::recall(std::vector<std::vector<double>> ThreadState::*sums, Index number) {
  std::fill(small_.begin(), small_.end(), 0.0);
  const auto at = static_cast<std::size_t>(number);
  for (const ThreadState& state : threads_) {
    if (at >= (state.*sums).size()) continue;  // a thread without tiles
    const std::vector<double>& known = (state.*sums)[at];
    for (std::size_t i = 0; i < known.size(); ++i) small_[i] += known[i];
  }
}

template <Scalar T>
void UpdateRule<T>::recall_update(Index update) {
  recall(&ThreadState::updates, update - 1);
}

template <Scalar T>
void UpdateRule<T>::recall_evaluation(Index updates) {
  recall(&ThreadState::evaluations, updates / solve_.evaluate_every);
}

template <Scalar T>
std::vector<MatrixView<T>> UpdateRule<T>::large_sums() {
  std::vector<MatrixView<T>> sums{numerator_.view()};
  if (has_denominator()) sums.push_back(denominator_.view());
  return sums;
}

template <Scalar T>
double UpdateRule<T>::divergence() const {
  double gram_dot = 0;
  double sums_dot = 0;
  double& dot = beta_ == 2 ? gram_dot : sums_dot;
  for (std::size_t i = 0; i < h_gram().size(); ++i) dot += gram_sums()[i] * h_gram()[i];
  return divergence_total(kind_, beta_, sum(PassSum::divergence), gram_dot, sums_dot, {options_.rows, columns_});
}

template class UpdateRule<float>;
template class UpdateRule<double>;

}  // namespace scanmf
