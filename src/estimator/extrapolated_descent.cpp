#include "estimator/extrapolated_descent.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "estimator/started_with.hpp"

namespace scanmf {
namespace {

constexpr double growth = 1.01;
constexpr double cap_growth = 1.005;
constexpr double shrinking = 1.5;
constexpr std::size_t at_H_y = 0;
constexpr std::size_t at_H_before = 1;
constexpr std::size_t at_W_before = 2;

}  // namespace

void ExtrapolationState::grow() {
  momentum_before = momentum;
  momentum = std::min(momentum_cap, growth * momentum);
  momentum_cap = std::min(1.0, cap_growth * momentum_cap);
}

void ExtrapolationState::shrink() {
  momentum_cap = momentum_before;
  momentum_before = momentum;
  momentum /= shrinking;
}

void ExtrapolationState::save(StateNumbers& numbers) const {
  set_number(numbers, "momentum", momentum);
  set_number(numbers, "momentum_before", momentum_before);
  set_number(numbers, "momentum_cap", momentum_cap);
  set_number(numbers, "start_momentum", start_momentum);
  set_number(numbers, "objective", objective);
  set_number(numbers, "restarted", Index{restarted ? 1 : 0});
  set_number(numbers, "exact", Index{exact ? 1 : 0});
}

void ExtrapolationState::load(const StateNumbers& numbers) {
  momentum = number_or(numbers, "momentum", momentum);
  momentum_before = number_or(numbers, "momentum_before", momentum_before);
  momentum_cap = number_or(numbers, "momentum_cap", momentum_cap);
  start_momentum = number_or(numbers, "start_momentum", start_momentum);
  objective = number_or(numbers, "objective", objective);
  restarted = number_or(numbers, "restarted", Index{1}) != 0;
  exact = number_or(numbers, "exact", Index{0}) != 0;
}

template <Scalar T>
ExtrapolatedIteration<T>::ExtrapolatedIteration(PassRunner<T>& runner, const Seed& seed, FittedModel<T>& model)
    : CoordinateDescentIteration<T>(runner, seed, model),
      slice_(runner.slice()),
      Ht_y_(model.factors.Ht.rows(), model.factors.Ht.columns()) {
  std::ranges::copy(model.factors.Ht.span(), Ht_y_.data());
  state_.load(model.state.numbers);
  if (model.state.arrays.empty()) {
    make_arrays(runner);
    return;
  }
  const Matrix<T>& own = model.state.arrays.at(at_H_y).slice;
  std::copy_n(own.data(), own.rows() * own.columns(), Ht_y_.row(slice_.begin));
  std::vector<Index> offsets = column_slices(Ht_y_.rows(), runner.communicator().size());
  for (Index& offset : offsets) offset *= Ht_y_.columns();
  runner.communicator().allgather(Ht_y_.span(), offsets);
  runner.set_H(this->solver_, Ht_y_);
}

template <Scalar T>
void ExtrapolatedIteration<T>::make_arrays(PassRunner<T>& runner) {
  FittedModel<T>& model = this->model();
  const Index k = model.n_components;
  for (const char* name : {extrapolation_arrays[at_H_y], extrapolation_arrays[at_H_before]}) {
    model.state.arrays.push_back({name, Matrix<T>(slice_.size(), k)});
    copy_of_slice(model.state.arrays.back(), model.factors.Ht);
  }
  model.state.arrays.push_back(
      {extrapolation_arrays[at_W_before], Matrix<T>(runner.source().local_rows(), k, T{0}), StateRows::samples});
}

template <Scalar T>
MatrixView<T> ExtrapolatedIteration<T>::copy_of_slice(StateArray<T>& array, const Matrix<T>& Ht) {
  std::copy_n(Ht.row(slice_.begin), slice_.size() * Ht.columns(), array.slice.data());
  return array.slice.view();
}

template <Scalar T>
Visit<T> ExtrapolatedIteration<T>::begin(PassRunner<T>& runner) {
  this->begin_pass();
  FittedModel<T>& model = this->model();
  const bool has_begun = model.n_iter > 0 && state_.objective < std::numeric_limits<double>::infinity();
  const Matrix<T>& W = model.factors.W;
  PassOptions options;
  options.momentum = {state_.start_momentum, has_begun ? state_.momentum : 0.0, state_.exact};
  return {&this->pass_, runner.all_batches(), RowsOfW<T>(W.view(), model.state.arrays.at(at_W_before).slice.view()),
          options};
}

template <Scalar T>
double ExtrapolatedIteration<T>::objective(PassRunner<T>& runner) const {
  const Totals& totals = this->pass_.totals();
  const FixedH<T>& h = this->solver_.h;
  return penalties_for(this->parameters_, runner.source().shape())
      .objective(totals[Total::divergence], totals[Total::w_sum], h.sum(), totals[Total::norm_squared] / 2,
                 h.norm_squared() / 2);
}

template <Scalar T>
double ExtrapolatedIteration<T>::rounding_of(double objective) const {
  const std::span<const double> w_gram = this->pass_.totals().factor_sums();
  const double size = std::inner_product(w_gram.begin(), w_gram.end(), this->solver_.h.factor_sums().begin(), 0.0) / 2;
  constexpr double of_type = std::numeric_limits<T>::epsilon();
  if (!state_.exact) return of_type / 4 * size;  // a sum of many products, each with its own rounding
  return 4 * of_type * std::abs(objective) + 16 * std::numeric_limits<double>::epsilon() * size;
}

template <Scalar T>
std::optional<IterationEnd> ExtrapolatedIteration<T>::end(PassRunner<T>& runner) {
  const double objective = this->objective(runner);
  require_finite(objective, "objective", "iteration", this->model().n_iter + 1);
  const double rounding = rounding_of(objective);
  const double gain = state_.objective - objective;
  const bool is_near_rounding = !state_.exact && std::abs(gain) < 2 * rounding;
  std::optional<IterationEnd> end;
  if (state_.restarted || gain >= -rounding) {
    end = this->end_of_iteration(accept(runner, objective));
  } else {
    restart(runner);
    end = this->end_of_rejected();
  }
  if (is_near_rounding) state_.exact = state_.restarted = true;  // numbers of both ways cannot be compared
  return end;
}

template <Scalar T>
double ExtrapolatedIteration<T>::accept(PassRunner<T>& runner, double objective) {
  FittedModel<T>& model = this->model();
  const double momentum = this->pass_.options().momentum.step;
  std::swap(model.factors.W, model.state.arrays.at(at_W_before).slice);
  std::ranges::copy(Ht_y_.span(), model.factors.Ht.data());
  ExtrapolatedFactor<T> factor(*this->factor_, model.state.arrays.at(at_H_before).slice.view(), momentum);
  const double violation =
      this->pass_.totals()[Total::violation] + runner.update_H(this->pass_, factor, Ht_y_).violation;
  if (momentum > 0) state_.grow();
  state_.start_momentum = momentum;
  // The lowest so far: what rises by rounding alone must not climb by it.
  state_.objective = state_.restarted ? objective : std::min(objective, state_.objective);
  state_.restarted = false;
  return violation;
}

template <Scalar T>
void ExtrapolatedIteration<T>::restart(PassRunner<T>& runner) {
  FittedModel<T>& model = this->model();
  std::ranges::copy(model.factors.Ht.span(), Ht_y_.data());
  copy_of_slice(model.state.arrays.at(at_H_before), model.factors.Ht);
  runner.set_H(this->solver_, Ht_y_);
  state_.shrink();
  state_.start_momentum = 0;
  state_.restarted = true;
}

template <Scalar T>
void ExtrapolatedIteration<T>::save_state() {
  CoordinateDescentIteration<T>::save_state();
  state_.save(this->model().state.numbers);
  copy_of_slice(this->model().state.arrays.at(at_H_y), Ht_y_);
}

template <Scalar T>
void ExtrapolatedIteration<T>::finish(PassRunner<T>&) {
  SolverState<T>& state = this->model().state;
  state.arrays.clear();
  const Init init = started_with(state.numbers);
  state.numbers.clear();
  if (init != Init::none) set_started_with(state.numbers, init);
  CoordinateDescentIteration<T>::save_state();
}

template class ExtrapolatedIteration<float>;
template class ExtrapolatedIteration<double>;

}  // namespace scanmf
