// Element-wise loops: weights, divergences, multiplicative updates, mini-batches; and transposition.
#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "linalg/kernels.hpp"
#include "scanmf/linalg/operations.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "linalg/vector_kernels.cpp"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
// after highway.h
#include "hwy/contrib/math/math-inl.h"
#include "linalg/vectors-inl.hpp"

HWY_BEFORE_NAMESPACE();
namespace scanmf::HWY_NAMESPACE {

/// x^exponent for x >= 0. Multiples of one half are products and square roots, exact to the last bits; every other
/// exponent is exp(exponent · ln x).
template <class T>
class Power {
 public:
  explicit Power(double exponent) : exponent_(static_cast<T>(exponent)), negative_(exponent < 0) {
    const double twice = 2 * std::abs(exponent);
    general_ = twice != std::floor(twice) || twice > 16;
    whole_ = general_ ? 0 : static_cast<int>(twice) / 2;
    half_ = !general_ && static_cast<int>(twice) % 2 == 1;
  }

  HWY_INLINE Lanes<T> operator()(Vector<T> d, Lanes<T> x) const {
    const auto one = hn::Set(d, T{1});
    if (!general_) {
      auto product = half_ ? hn::Sqrt(x) : one;
      for (int i = 0; i < whole_; ++i) product = hn::Mul(product, x);
      return negative_ ? hn::Div(one, product) : product;
    }
    const auto raised = hn::Exp(d, hn::Mul(hn::Set(d, exponent_), hn::Log(d, x)));
    const auto at_zero = hn::Set(d, negative_ ? static_cast<T>(HUGE_VAL) : T{0});
    return hn::IfThenElse(hn::Eq(x, hn::Zero(d)), at_zero, raised);
  }

 private:
  T exponent_;
  bool negative_;
  bool general_ = false;
  bool half_ = false;
  int whole_ = 0;
};

/// Calls body(offset, valid) for whole vectors, then once for the rest through padded copies: load(p, offset) and store
/// handle both.
template <class T, class Body>
HWY_INLINE void for_each_vector(Index count, Body&& body) {
  const Index lanes = static_cast<Index>(hn::Lanes(Vector<T>()));
  for (Index i = 0; i < count; i += lanes) body(i, std::min(lanes, count - i));
}

template <class T>
HWY_INLINE Lanes<T> load(Vector<T> d, const T* from, Index valid) {
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  if (valid == lanes) return hn::LoadU(d, from);
  HWY_ALIGN T padded[64 / sizeof(T)] = {};
  for (Index i = 0; i < valid; ++i) padded[i] = from[i];
  return hn::Load(d, padded);
}

template <class T>
HWY_INLINE void store(Vector<T> d, Lanes<T> values, T* to, Index valid) {
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  if (valid == lanes) {
    hn::StoreU(values, d, to);
    return;
  }
  HWY_ALIGN T padded[64 / sizeof(T)];
  hn::Store(values, d, padded);
  for (Index i = 0; i < valid; ++i) to[i] = padded[i];
}

/// The weights of some elements: Q and R of ElementWeights.
template <class T>
struct Weights {
  Lanes<T> q, r;
};

/// weigh(values of X, of Y) gives the Weights of a vector.
template <Observed observed, class T, class Weigh>
HWY_INLINE void weigh_by(const T* x, const T* y, Index count, bool corrects, T* numerator, T* denominator,
                         const Weigh& weigh) {
  const Vector<T> d;
  for_each_vector<T>(
      count, [&](Index i, Index valid) HWY_ATTR __attribute__((always_inline)) {
        const auto values = load(d, x + i, valid);
        auto [q, r] = weigh(values, load(d, y + i, valid));
        if constexpr (observed != Observed::all) {
          const auto seen = observed_lanes<observed, T>(d, values);
          q = hn::IfThenElseZero(seen, q);
          r = corrects ? hn::IfThenZeroElse(seen, hn::Neg(r)) : hn::IfThenElseZero(seen, r);
        }
        if (denominator != nullptr) store(d, r, denominator + i, valid);
        store(d, q, numerator + i, valid);
      });
}

template <Observed observed, class T>
void weigh_observed(const T* x, const T* y, Index count, const ElementWeights& weights, T* numerator, T* denominator) {
  const Vector<T> d;
  const auto guard = hn::Set(d, static_cast<T>(division_guard));
  const auto one = hn::Set(d, T{1});
  const auto by = [&](const auto& weigh) HWY_ATTR __attribute__((always_inline)) {
    weigh_by<observed>(x, y, count, weights.corrects, numerator, denominator, weigh);
  };
  if (weights.divide)
    return by([&](Lanes<T> values, Lanes<T> product) HWY_ATTR __attribute__((always_inline)) {
      return Weights<T>{hn::Div(values, weights.lift_numerator ? hn::Max(product, guard) : product), one};
    });
  if (weights.exponent == 2)
    return by([&](Lanes<T> values, Lanes<T> product) HWY_ATTR __attribute__((always_inline)) {
      return Weights<T>{values, product};
    });
  const Power<T> numerator_power(weights.exponent - 2);
  const Power<T> denominator_power(weights.exponent - 1);
  by([&](Lanes<T> values, Lanes<T> product) HWY_ATTR __attribute__((always_inline)) {
    const auto lifted = hn::Max(product, guard);
    auto power = product;  // is not looked at
    if (denominator != nullptr) power = denominator_power(d, weights.lift_denominator ? lifted : product);
    return Weights<T>{hn::Mul(values, numerator_power(d, weights.lift_numerator ? lifted : product)), power};
  });
}

template <class T>
void weigh_of(Observed observed, const T* x, const T* y, Index count, const ElementWeights& weights, T* numerator,
              T* denominator) {
  const auto weigh = observed == Observed::all       ? &weigh_observed<Observed::all, T>
                     : observed == Observed::not_nan ? &weigh_observed<Observed::not_nan, T>
                                                     : &weigh_observed<Observed::not_zero, T>;
  weigh(x, y, count, weights, numerator, denominator);
}

template <class T>
void weigh_denominator_of(T* values, Index count, const ElementWeights& weights) {
  const Vector<T> d;
  const auto guard = hn::Set(d, static_cast<T>(division_guard));
  const Power<T> power(weights.exponent - 1);
  for_each_vector<T>(count, [&](Index i, Index valid) {
    const auto product = load(d, values + i, valid);
    store(d, power(d, weights.lift_denominator ? hn::Max(product, guard) : product), values + i, valid);
  });
}

/// As many elements as a vector of doubles has, converted; behind `valid` zeros.
template <class T>
HWY_INLINE Lanes<double> load_as_double(const T* from, Index valid) {
  const Vector<double> d;
  const hn::Rebind<T, Vector<double>> narrow;
  HWY_ALIGN T padded[64 / sizeof(double)] = {};
  if (valid < static_cast<Index>(hn::Lanes(d))) {
    std::copy_n(from, valid, padded);
    from = padded;
  }
  const auto values = hn::LoadU(narrow, from);
  if constexpr (sizeof(T) == sizeof(double))
    return values;
  else
    return hn::PromoteTo(d, values);
}

template <class T>
ElementTotals totals_of(const T* values, Index count, double lowest) {
  const Vector<double> d;
  const auto zero = hn::Zero(d);
  const auto least = hn::Set(d, lowest);
  const auto most = hn::Set(d, static_cast<double>(std::numeric_limits<T>::max()));
  auto sum = zero;
  auto sound = hn::Eq(zero, zero);
  ElementTotals totals;
  for_each_vector<double>(count, [&](Index i, Index valid) {
    const auto value = load_as_double(values + i, valid);
    sum = hn::Add(sum, value);
    sound = hn::And(sound, hn::And(hn::Ge(value, least), hn::Le(value, most)));
    totals.positive += static_cast<Index>(hn::CountTrue(d, hn::Gt(value, zero)));
  });
  totals.sum = hn::GetLane(hn::SumOfLanes(d, sum));
  totals.sound = hn::AllTrue(d, sound);
  return totals;
}

enum class Terms { all, stored };

/// One vector of divergence terms; y is not guarded yet.
template <DivergenceTerms::Form form, Terms terms, class T>
class DivergenceTerm {
 public:
  explicit DivergenceTerm(double beta) : beta_(beta), power_(beta), power_below_(beta - 1) {}

  HWY_INLINE Lanes<T> operator()(Vector<T> d, Lanes<T> x, Lanes<T> y) const {
    if constexpr (form == DivergenceTerms::Form::half_square) {
      const auto difference = hn::Sub(x, y);
      const auto square = hn::Mul(difference, difference);
      const auto half = hn::Set(d, T(0.5));
      return hn::Mul(half, terms == Terms::all ? square : hn::NegMulAdd(y, y, square));
    } else {
      return of_counted(d, x, y);
    }
  }

 private:
  HWY_INLINE Lanes<T> of_counted(Vector<T> d, Lanes<T> x, Lanes<T> y) const {
    const auto guard = hn::Set(d, static_cast<T>(division_guard));
    const auto counted = hn::Gt(x, guard);
    const auto lifted = hn::Max(y, guard);
    const auto safe_x = hn::IfThenElse(counted, x, guard);
    if constexpr (form != DivergenceTerms::Form::powers) {
      const auto ratio = hn::Div(safe_x, lifted);
      const auto logarithm = hn::Log(d, ratio);
      constexpr bool kullback_leibler = form == DivergenceTerms::Form::kullback_leibler;
      const auto term = kullback_leibler ? hn::Sub(hn::Mul(safe_x, logarithm), safe_x) : hn::Sub(ratio, logarithm);
      return hn::IfThenElseZero(counted, term);
    } else {
      const auto b = hn::Set(d, static_cast<T>(beta_));
      const auto at_s = hn::Sub(power_(d, safe_x), hn::Mul(b, hn::Mul(safe_x, power_below_(d, lifted))));
      const auto sum = hn::IfThenElseZero(counted, at_s);
      if constexpr (terms == Terms::stored) return sum;
      return hn::MulAdd(hn::Set(d, static_cast<T>(beta_ - 1)), power_(d, y), sum);
    }
  }

  double beta_;
  Power<T> power_;
  Power<T> power_below_;
};

/// Sums of `body(offset, valid)` vectors: a few vectors in T, their lanes in double.
template <class T, class Body>
HWY_INLINE double sum_vectors(Index count, Body&& body) {
  const Vector<T> d;
  const Index lanes = static_cast<Index>(hn::Lanes(d));
  constexpr Index groups = static_cast<Index>(hn::MaxLanes(Vector<T>()));
  const Index group = 4 * lanes;
  double total = 0;
  Index begin = 0;
  for (; begin + groups * group <= count; begin += groups * group) {  // as many groups at once as a vector has lanes
    Lanes<T> sums[static_cast<std::size_t>(groups)];
    for (Index g = 0; g < groups; ++g) {
      const Index i = begin + g * group;
      sums[g] = hn::Add(hn::Add(body(i, lanes), body(i + lanes, lanes)),
                        hn::Add(body(i + 2 * lanes, lanes), body(i + 3 * lanes, lanes)));
    }
    HWY_ALIGN T totals[static_cast<std::size_t>(groups)];
    hn::Store(sums_of_lanes<lane_levels<T>, T>(d, sums), d, totals);
    for (Index g = 0; g < groups; ++g) total += static_cast<double>(totals[g]);
  }
  for (; begin < count; begin += group) {
    auto sum = hn::Zero(d);
    const Index end = std::min(count, begin + group);
    for (Index i = begin; i < end; i += lanes) {
      const Index valid = std::min(lanes, end - i);
      const auto value = body(i, valid);
      sum = hn::Add(sum,
                    valid == lanes ? value : hn::IfThenElseZero(hn::FirstN(d, static_cast<std::size_t>(valid)), value));
    }
    total += static_cast<double>(hn::GetLane(hn::SumOfLanes(d, sum)));
  }
  return total;
}

/// Terms of one form: with `log` and `exp` of the others in the same loop, the compiler would call a function for each
/// vector.
template <DivergenceTerms::Form form, Terms terms, class T>
HWY_NOINLINE double sum_of_terms(const T* x, const T* y, Index count, double beta) {
  const Vector<T> d;
  const DivergenceTerm<form, terms, T> term(beta);
  return sum_vectors<T>(
      count, [&](Index i, Index valid) HWY_ATTR
      __attribute__((always_inline)) { return term(d, load(d, x + i, valid), load(d, y + i, valid)); });
}

template <class T, Terms terms>
double divergence_terms_of(const T* x, const T* y, Index count, const DivergenceTerms& divergence) {
  using Form = DivergenceTerms::Form;
  switch (divergence.form) {
    case Form::half_square:
      return sum_of_terms<Form::half_square, terms>(x, y, count, divergence.exponent);
    case Form::kullback_leibler:
      return sum_of_terms<Form::kullback_leibler, terms>(x, y, count, divergence.exponent);
    case Form::itakura_saito:
      return sum_of_terms<Form::itakura_saito, terms>(x, y, count, divergence.exponent);
    case Form::powers:
      break;
  }
  return sum_of_terms<Form::powers, terms>(x, y, count, divergence.exponent);
}

template <class T>
double sum_of_squares_of(const T* y, Index count) {
  const Vector<T> d;
  return sum_vectors<T>(count, [&](Index i, Index valid) {
    const auto values = load(d, y + i, valid);
    return hn::Mul(values, values);
  });
}

template <class T>
double sum_of_powers_of(const T* y, Index count, double exponent) {
  const Vector<T> d;
  const Power<T> power(exponent);
  return sum_vectors<T>(count, [&](Index i, Index valid) { return power(d, load(d, y + i, valid)); });
}

template <class T>
void multiply_by_ratio_of(T* f, const T* numerator, const T* denominator, Index count, double l1, double l2,
                          double gamma, double zero_below) {
  const Vector<T> d;
  const auto zero = hn::Zero(d);
  const auto guard = hn::Set(d, static_cast<T>(division_guard));
  const auto l1_lanes = hn::Set(d, static_cast<T>(l1));
  const auto l2_lanes = hn::Set(d, static_cast<T>(l2));
  const auto threshold = hn::Set(d, static_cast<T>(zero_below));
  const auto most = hn::Set(d, std::numeric_limits<T>::max());
  const Power<T> power(gamma);
  for_each_vector<T>(count, [&](Index i, Index valid) {
    const auto factor = load(d, f + i, valid);
    auto below = hn::Add(load(d, denominator + i, valid), l1_lanes);
    if (l2 > 0) below = hn::MulAdd(l2_lanes, factor, below);
    below = hn::IfThenElse(hn::Eq(below, zero), guard, below);
    auto ratio = hn::Div(load(d, numerator + i, valid), below);
    ratio = hn::IfThenElse(hn::Gt(ratio, most), most, ratio);  // NaN stays NaN
    if (gamma != 1) ratio = power(d, ratio);
    const auto next = hn::Mul(factor, ratio);
    store(d, zero_below > 0 ? hn::IfThenElse(hn::Lt(next, threshold), zero, next) : next, f + i, valid);
  });
}

template <class T>
void mini_batch_of(T* h, const T* numerator, const T* denominator, T* a, T* b, Index count,
                   const MiniBatchUpdate& update) {
  const Vector<T> d;
  const auto zero = hn::Zero(d);
  const auto guard = hn::Set(d, static_cast<T>(division_guard));
  const auto rho = hn::Set(d, static_cast<T>(update.rho));
  const auto l1 = hn::Set(d, static_cast<T>(update.l1));
  const auto l2 = hn::Set(d, static_cast<T>(update.l2));
  const auto threshold = hn::Set(d, static_cast<T>(update.zero_below));
  const Power<T> power(update.gamma);
  const Power<T> root(1 / update.gamma);
  for_each_vector<T>(count, [&](Index i, Index valid) {
    auto factor = load(d, h + i, valid);
    const auto below = hn::Add(hn::Add(load(d, denominator + i, valid), l1), hn::Mul(l2, factor));
    const auto next_b = hn::Add(hn::Mul(rho, load(d, b + i, valid)), hn::IfThenElse(hn::Eq(below, zero), guard, below));
    if (update.gamma != 1) factor = root(d, factor);
    const auto next_a = hn::Add(hn::Mul(rho, load(d, a + i, valid)), hn::Mul(load(d, numerator + i, valid), factor));
    auto next = hn::Div(next_a, next_b);
    if (update.gamma != 1) next = power(d, next);
    store(d, next_b, b + i, valid);
    store(d, next_a, a + i, valid);
    store(d, hn::IfThenElse(hn::Lt(next, threshold), zero, next), h + i, valid);
  });
}

#if HWY_TARGET == HWY_SCALAR

template <class T>
constexpr Index transposed_side = 1;

template <class T>
HWY_INLINE void transpose_square(const T* from, Index, T* to, Index) {
  *to = *from;
}

#else

template <class T>
constexpr Index transposed_side = 16 / static_cast<Index>(sizeof(T));

/// transposed_side rows and columns: a vector of 16 bytes each.
template <class T>
HWY_INLINE void transpose_square(const T* from, Index from_stride, T* to, Index to_stride) {
  const hn::FixedTag<T, 16 / sizeof(T)> d;
  if constexpr (sizeof(T) == 8) {
    const auto row0 = hn::LoadU(d, from);
    const auto row1 = hn::LoadU(d, from + from_stride);
    hn::StoreU(hn::InterleaveLower(d, row0, row1), d, to);
    hn::StoreU(hn::InterleaveUpper(d, row0, row1), d, to + to_stride);
  } else {
    const hn::FixedTag<double, 2> pairs;
    const auto row0 = hn::LoadU(d, from);
    const auto row1 = hn::LoadU(d, from + from_stride);
    const auto row2 = hn::LoadU(d, from + 2 * from_stride);
    const auto row3 = hn::LoadU(d, from + 3 * from_stride);
    const auto lower01 = hn::BitCast(pairs, hn::InterleaveLower(d, row0, row1));
    const auto lower23 = hn::BitCast(pairs, hn::InterleaveLower(d, row2, row3));
    const auto upper01 = hn::BitCast(pairs, hn::InterleaveUpper(d, row0, row1));
    const auto upper23 = hn::BitCast(pairs, hn::InterleaveUpper(d, row2, row3));
    hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, lower01, lower23)), d, to);
    hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, lower01, lower23)), d, to + to_stride);
    hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pairs, upper01, upper23)), d, to + 2 * to_stride);
    hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pairs, upper01, upper23)), d, to + 3 * to_stride);
  }
}

#endif

template <class T>
void transpose_of(const T* from, Index from_stride, Index rows, Index columns, T* to, Index to_stride) {
  constexpr Index side = transposed_side<T>;
  const auto one_by_one = [&](Range row_range, Range column_range) {
    for (Index r = row_range.begin; r < row_range.end; ++r)
      for (Index c = column_range.begin; c < column_range.end; ++c) to[c * to_stride + r] = from[r * from_stride + c];
  };
  const Index whole_rows = rows / side * side;
  const Index whole_columns = columns / side * side;
  for (Index r = 0; r < whole_rows; r += side)
    for (Index c = 0; c < whole_columns; c += side)
      transpose_square(from + r * from_stride + c, from_stride, to + c * to_stride + r, to_stride);
  one_by_one({0, whole_rows}, {whole_columns, columns});
  one_by_one({whole_rows, rows}, {0, columns});
}

template <class T>
void add_of(T* sums, const T* more, Index count) {
  for (Index i = 0; i < count; ++i) sums[i] += more[i];
}

template <class T>
constexpr kernels::VectorKernels<T> table{.weigh = &weigh_of<T>,
                                          .weigh_denominator = &weigh_denominator_of<T>,
                                          .divergence_terms = &divergence_terms_of<T, Terms::all>,
                                          .stored_terms = &divergence_terms_of<T, Terms::stored>,
                                          .sum_of_squares = &sum_of_squares_of<T>,
                                          .sum_of_powers = &sum_of_powers_of<T>,
                                          .totals = &totals_of<T>,
                                          .multiply_by_ratio = &multiply_by_ratio_of<T>,
                                          .mini_batch = &mini_batch_of<T>,
                                          .add = &add_of<T>,
                                          .transpose = &transpose_of<T>};
const kernels::VectorKernels<float>& vectors_float() { return table<float>; }
const kernels::VectorKernels<double>& vectors_double() { return table<double>; }

}  // namespace scanmf::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace scanmf {
HWY_EXPORT(vectors_float);
HWY_EXPORT(vectors_double);

namespace kernels {

template <>
const VectorKernels<float>& vectors<float>() {
  static const VectorKernels<float>& chosen = HWY_DYNAMIC_DISPATCH(vectors_float)();
  return chosen;
}
template <>
const VectorKernels<double>& vectors<double>() {
  static const VectorKernels<double>& chosen = HWY_DYNAMIC_DISPATCH(vectors_double)();
  return chosen;
}

}  // namespace kernels
}  // namespace scanmf
#endif
