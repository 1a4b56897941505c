#include "estimator/stop_rule.hpp"

#include <algorithm>
#include <cmath>

namespace scanmf {

void set_number(StateNumbers& numbers, const std::string& name, std::variant<double, Index> value) {
  const auto known = std::ranges::find(numbers, name, [](const auto& number) { return number.first; });
  if (known != numbers.end())
    known->second = value;
  else
    numbers.emplace_back(name, value);
}

bool ViolationRule::stops(double violation, double tol) {
  if (first < 0) first = violation;
  return first == 0 || violation / first <= tol;
}

void ViolationRule::save(StateNumbers& numbers) const { set_number(numbers, "first", first); }

void ViolationRule::load(const StateNumbers& numbers) { first = number_or(numbers, "first", first); }

bool ErrorRule::stops(double error, double tol) {
  const bool stop = (last - error) / first < tol;
  last = error;
  return stop;
}

void ErrorRule::save(StateNumbers& numbers) const {
  set_number(numbers, "first", first);
  set_number(numbers, "last", last);
}

void ErrorRule::load(const StateNumbers& numbers) {
  first = number_or(numbers, "first", first);
  last = number_or(numbers, "last", last);
}

bool CostRule::stops(double cost, double weight, std::optional<double> h_change, double tol,
                     std::optional<Index> max_no_improvement) {
  const double a = std::min(1.0, weight);
  smoothed = std::isnan(smoothed) ? cost : smoothed * (1 - a) + cost * a;
  if (tol > 0 && h_change && *h_change <= tol) return true;
  if (smoothed < best) {
    best = smoothed;
    without_improvement = 0;
  } else {
    ++without_improvement;
  }
  return max_no_improvement && without_improvement >= *max_no_improvement;
}

void CostRule::save(StateNumbers& numbers) const {
  set_number(numbers, "smoothed_cost", smoothed);
  set_number(numbers, "best_cost", best);
  set_number(numbers, "without_improvement", without_improvement);
}

void CostRule::load(const StateNumbers& numbers) {
  smoothed = number_or(numbers, "smoothed_cost", smoothed);
  best = number_or(numbers, "best_cost", best);
  without_improvement = number_or(numbers, "without_improvement", without_improvement);
}

double error_of(double divergence) {
  return std::sqrt(2 * (std::isnan(divergence) ? divergence : std::max(divergence, 0.0)));
}

}  // namespace scanmf
