#include "scanmf/linalg/observed_grams.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "linalg/strips.hpp"

namespace scanmf {
namespace {

/// FᵀSF of some rows of a factor that are given one after the other: groups of them are multiplied, the upper triangle
/// of the result alone.
template <Scalar T>
class GramOfRows {
 public:
  GramOfRows(Index k, bool weighted, Workspace<T>& work)
      : k_(k),
        padded_(padded_columns<T>(k)),
        rows_(work.reserve(2 * row_group * padded_ + padded_ * k)),
        weighted_(weighted ? rows_ + row_group * padded_ : rows_),
        product_(rows_ + 2 * row_group * padded_) {}

  void push(const T* row, T weight) {
    if (filled_ == row_group) multiply();
    pad_row(row, k_, padded_, rows_ + filled_ * padded_);
    if (weighted_ != rows_)
      for (Index c = 0; c < padded_; ++c) weighted_[filled_ * padded_ + c] = weight * rows_[filled_ * padded_ + c];
    ++filled_;
  }

  /// Calls take(a, first column b, elements (a, b) …, how many) for the upper triangle, and forgets the rows. Not at
  /// all without rows.
  template <class Take>
  void take(Take&& take) {
    if (filled_ > 0) multiply();
    if (!std::exchange(has_product_, false)) return;
    for (Index begin = 0; begin < padded_; begin += strip_columns<T>) {
      const Index width = strip_width<T>(begin, k_);
      const Index end = std::min(k_, begin + width);
      for (Index a = 0; a < end; ++a) {
        const Index b = std::max(a, begin);
        take(a, b, product_ + begin * k_ + a * width + (b - begin), end - b);
      }
    }
  }

 private:
  void multiply() {
    for (Index begin = 0; begin < padded_; begin += strip_columns<T>) {
      const Index width = strip_width<T>(begin, k_);
      kernels::dense<T>().multiply_strip(weighted_, 1, padded_, std::min(k_, begin + width), filled_, rows_ + begin,
                                         padded_, width, product_ + begin * k_, has_product_, nullptr, 0);
    }
    has_product_ = true;
    filled_ = 0;
  }

  Index k_;
  Index padded_;
  T* rows_;
  T* weighted_;
  T* product_;
  Index filled_ = 0;
  bool has_product_ = false;
};

/// Pushes the rows of Ht that one set of columns has: those that are observed, or all others. Zeros of sparse X that
/// are not stored are observed, unless what is not stored is not.
template <Scalar T, class Tile>
void push_columns(const Tile& x, Index row, bool observed, const RightFactor<T>& h, GramOfRows<T>& gram) {
  const Index stride = padded_components<T>(h.components());
  const bool with_implicit = std::is_same_v<Tile, CsrTile<T>> && observed && x.observed == Observed::not_nan;
  Index next = 0;
  const auto push_up_to = [&](Index column) {
    for (; next < column; ++next) gram.push(h.rows() + next * stride, T{1});
  };
  for_each_in_row(x, row, [&](Index column, T element) {
    const bool is = is_observed(x.observed, element);
    if (with_implicit) {
      push_up_to(column);
      next = is ? column : column + 1;
    } else if (is == observed) {
      gram.push(h.rows() + column * stride, T{1});
    }
  });
  if (with_implicit) push_up_to(x.columns);
}

/// Whether the observed elements of a row are to be summed over.
template <Scalar T, class Tile>
bool few_in_row(const Tile& x, Index row) {
  if (std::is_same_v<Tile, CsrTile<T>> && x.observed == Observed::not_zero) return true;
  Index hidden = 0;
  for_each_in_row(x, row, [&](Index, T element) { hidden += is_observed(x.observed, element) ? 0 : 1; });
  return hidden > x.columns / 2;
}

template <Scalar T>
void add_to_triangle(GramOfRows<T>& gram, Index k, T* triangle) {
  gram.take([&](Index a, Index b, const T* elements, Index count) {
    T* const to = triangle + triangle_row(k, a) + (b - a);
    for (Index e = 0; e < count; ++e) to[e] += elements[e];
  });
}

/// For each column of a tile the rows of its elements that are held and observed, or held and not.
template <Scalar T>
struct ColumnLists {
  ColumnLists(const CsrTile<T>& x, bool observed) : begin(static_cast<std::size_t>(x.columns) + 1, 0) {
    const auto each = [&](auto&& visit) {
      for (Index i = 0; i < x.rows; ++i)
        for_each_in_row(x, i, [&](Index column, T element) {
          if (is_observed(x.observed, element) == observed)
            visit(static_cast<std::size_t>(column), static_cast<std::int32_t>(i));
        });
    };
    each([&](std::size_t column, std::int32_t) { ++begin[column + 1]; });
    for (std::size_t j = 1; j < begin.size(); ++j) begin[j] += begin[j - 1];
    rows.resize(static_cast<std::size_t>(begin.back()));
    std::vector<Index> next(begin.begin(), begin.end() - 1);
    each([&](std::size_t column, std::int32_t row) { rows[static_cast<std::size_t>(next[column]++)] = row; });
  }

  std::vector<Index> begin;
  std::vector<std::int32_t> rows;
};

template <Scalar T>
class ColumnGrams {
 public:
  ColumnGrams(MatrixView<const T> w, const T* weights, const Observation& observation, Accumulator<T>& grams,
              Workspace<T>& work)
      : w_(w),
        weights_(weights),
        observation_(observation),
        grams_(grams),
        gram_(w.columns, weights != nullptr, work) {}

  void add(const DenseTile<T>& x) {
    for (Index begin = 0; begin < x.columns; begin += strip_columns<T>) {
      const Index width = strip_width<T>(begin, x.columns);
      const T* const strip = x.packed + begin * x.rows;
      for (Index j = 0; j < std::min(width, x.columns - begin); ++j) {
        for (Index i = 0; i < x.rows; ++i)
          if (is_observed(x.observed, strip[i * width + j]) == few(begin + j)) push(i);
        close(begin + j);
      }
    }
  }

  void add(const CsrTile<T>& x) {
    const bool stored = x.observed == Observed::not_zero;  // these are what is observed
    const ColumnLists<T> lists(x, stored);
    for (Index j = 0; j < x.columns; ++j) {
      const Index begin = lists.begin[static_cast<std::size_t>(j)];
      const Index end = lists.begin[static_cast<std::size_t>(j) + 1];
      Index next = 0;
      const bool others = !stored && few(j);
      for (Index p = begin; p < end; ++p) {
        const Index row = lists.rows[static_cast<std::size_t>(p)];
        for (; others && next < row; ++next) push(next);
        next = row + 1;
        if (!others) push(row);
      }
      for (; others && next < x.rows; ++next) push(next);
      close(j);
    }
  }

 private:
  bool few(Index column) const { return observation_.few[static_cast<std::size_t>(column)] != 0; }
  void push(Index row) {
    const T weight = weights_ == nullptr ? T{1} : weights_[row];
    if (weight > T{0}) gram_.push(w_.row(row), weight);
  }
  void close(Index column) {
    add_to_triangle(gram_, w_.columns, grams_.data() + column * padded_components<T>(grams_.components()));
  }

  MatrixView<const T> w_;
  const T* weights_;
  const Observation& observation_;
  Accumulator<T>& grams_;
  GramOfRows<T> gram_;
};

}  // namespace

template <Scalar T>
void row_gram(const TileView<T>& x, Index row, const RightFactor<T>& h, const T* full, T* gram, Workspace<T>& work) {
  const Index k = h.components();
  x.visit([&](const auto& tile) {
    const auto sum_over = [&](bool observed) {
      GramOfRows<T> sum(k, false, work);
      push_columns(tile, row, observed, h, sum);
      std::copy_n(full, k * k, gram);
      if (observed) std::fill_n(gram, k * k, T{0});
      sum.take([&](Index a, Index b, const T* elements, Index count) {
        for (Index e = 0; e < count; ++e)
          gram[a * k + b + e] = gram[(b + e) * k + a] = observed ? elements[e] : gram[a * k + b + e] - elements[e];
      });
    };
    const bool few = few_in_row<T>(tile, row);
    sum_over(few);
    if (few) return;
    bool is_rounding = false;
    for (Index c = 0; c < k; ++c) {
      const T all = full[c * k + c];
      is_rounding = is_rounding || (all > T{0} && left_of(all, all - gram[c * k + c]) == T{0});
    }
    if (is_rounding) sum_over(true);
  });
}

template <Scalar T>
void add_column_grams(const TileView<T>& x, MatrixView<const T> w, const Observation& observation,
                      Accumulator<T>& grams, Workspace<T>& work) {
  ColumnGrams<T> sums(w, x.weights(), observation, grams, work);
  x.visit([&](const auto& tile) { sums.add(tile); });
}

template <Scalar T>
double sweep_row(T* f, const T* p, double l1, const T* gram, Index k, const Index* order) {
  double violation = 0;
  for (Index at = 0; at < k; ++at) {
    const Index t = order[at];
    const T* const row = gram + t * k;
    T sum = 0;
#pragma omp simd reduction(+ : sum)
    for (Index c = 0; c < k; ++c) sum += row[c] * f[c];
    const T gradient = sum - p[t] + static_cast<T>(l1);
    violation += static_cast<double>(f[t] == T{0} ? std::abs(std::min(gradient, T{0})) : std::abs(gradient));
    if (row[t] != T{0}) f[t] = std::max(f[t] - gradient / row[t], T{0});
  }
  return violation;
}

template double sweep_row(float*, const float*, double, const float*, Index, const Index*);
template double sweep_row(double*, const double*, double, const double*, Index, const Index*);
template void row_gram(const TileView<float>&, Index, const RightFactor<float>&, const float*, float*,
                       Workspace<float>&);
template void row_gram(const TileView<double>&, Index, const RightFactor<double>&, const double*, double*,
                       Workspace<double>&);
template void add_column_grams(const TileView<float>&, MatrixView<const float>, const Observation&, Accumulator<float>&,
                               Workspace<float>&);
template void add_column_grams(const TileView<double>&, MatrixView<const double>, const Observation&,
                               Accumulator<double>&, Workspace<double>&);

}  // namespace scanmf
